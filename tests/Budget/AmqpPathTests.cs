using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Hosting;
using Sluice.Hosting.Configuration;
using Sluice.LoadGenerator;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.Budget;

/// <summary>
/// The whole path of a message over AMQP 0-9-1 and loopback sockets allocates nothing per message: socket, codec, channel, core, journal, delivery,
/// confirm and acknowledgement. Client and broker share the process, so the client is counted too. What a run costs once is taken out by the
/// difference of the best short and the best long run.
/// </summary>
public sealed class AmqpPathTests : IDisposable
{
    private const int ShortRun = 100_000;
    private const int LongRun = 400_000;
    private const int RoundsMax = 6;
    private const double BytesPerMessageMax = 1.0;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-budget-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public Task Transient_messages_with_automatic_acknowledgement() => AssertNothingAsync(new AmqpLoadOptions { BodyBytes = 16, AutoAcknowledge = true });

    [Fact]
    public Task Persistent_messages_with_confirms_and_acknowledgements() => AssertNothingAsync(
        new AmqpLoadOptions { BodyBytes = 500, Durable = true, Persistent = true, ConfirmWindow = 1000, Prefetch = 1000, AcknowledgeEvery = 100 });

    [Fact]
    public Task Messages_through_a_topic_exchange_acknowledged_one_by_one() => AssertNothingAsync(
        new AmqpLoadOptions { BodyBytes = 100, Exchange = "budget", ExchangeType = "topic", Prefetch = 500, ConfirmWindow = 200 });

    private async Task AssertNothingAsync(AmqpLoadOptions load)
    {
        SluiceSettings settings = new()
        {
            DataDirectory = Path.Combine(_directory.FullName, "data"),
            Amqp = new AmqpSettings { Address = "127.0.0.1", Port = 0 },
            Admin = new AdminSettings { Address = "" },
            Kafka = new KafkaSettings { Address = "" },
        };
        await using SluiceBroker broker = await SluiceBroker.StartAsync(settings, SluiceEnvironment.OfSystem(settings, NullLoggerFactory.Instance));
        AmqpLoadOptions options = load with { Server = new AmqpClientOptions { Port = broker.Listeners[0].EndPoint.Port } };
        Run(options, LongRun);
        double least = double.MaxValue;
        double shortRun = Run(options, ShortRun);
        double longRun = double.MaxValue;
        for (int round = 0; round < RoundsMax && least >= BytesPerMessageMax; round++)
        {
            shortRun = Math.Min(shortRun, Run(options, ShortRun));
            longRun = Math.Min(longRun, Run(options, LongRun));
            least = (longRun - shortRun) / (LongRun - ShortRun);
        }

        string sampled = "";
        if (least >= BytesPerMessageMax)
        {
            using AllocationSampler sampler = new();
            sampler.Start();
            Run(options, LongRun);
            sampled = sampler.Stop();
        }

        Assert.True(least < BytesPerMessageMax, $"{least:0.00} bytes were allocated for each message; the budget is 0. Sampled: {sampled}");
    }

    /// <summary>Bytes allocated by the process in a run of this many messages.</summary>
    private static double Run(AmqpLoadOptions options, int messages)
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        AmqpLoadResult result = AmqpLoad.Run(options with { MessageCount = messages });
        Assert.Empty(result.Problems);
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }
}
