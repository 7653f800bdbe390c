using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>Transactions with confluent-kafka (librdkafka), as Debian packages it.</summary>
public sealed class KafkaTransactionTests
{
    private const int Messages = 4000, KillsMax = 5;

    private static readonly Dictionary<string, string> s_settings = new() { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" };

    /// <summary>A consumer's messages are copied in transactions with its offsets while the broker is killed and started again and again.</summary>
    [Fact]
    public async Task Exactly_once_over_kills_of_the_broker()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        await using BrokerProcess broker = await BrokerProcess.StartAsync(s_settings);
        using var copied = new CancellationTokenSource();
        Task<string> copy = CopyAsync();
        int kills = 0;
        for (; kills < KillsMax && !copied.IsCancellationRequested; kills++)
        {
            try
            {
                await Task.Delay(random.Next(1000, 2500), copied.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            await broker.KillAsync();
            await broker.RestartAsync();
        }

        string output = await copy;
        Assert.True(output.Contains("exactly once", StringComparison.Ordinal), $"seed {seed}: {output}");
        Assert.True(kills >= 2, $"{Messages} messages were copied before the broker was killed twice: that is no load");
        Assert.True(broker.ErrorLines.Count == 0, string.Join('\n', broker.ErrorLines.Take(20)));

        async Task<string> CopyAsync()
        {
            try
            {
                return await ClientProgram.RunAsync(ClientProgram.Python, ["python/kafka_transactions.py", $"127.0.0.1:{broker.KafkaPort}", Messages.ToString()], TimeSpan.FromMinutes(3));
            }
            finally
            {
                await copied.CancelAsync();
            }
        }
    }
}
