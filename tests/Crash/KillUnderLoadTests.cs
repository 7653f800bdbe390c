using System.Diagnostics;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Sluice.BlackBox;

namespace Sluice.Crash;

/// <summary>kill -9 of the broker at random moments under confirmed load.</summary>
public sealed class KillUnderLoadTests
{
    private const string Classic = "crash.classic";
    private const string Quorum = "crash.quorum";

    [Fact]
    public async Task Nothing_confirmed_is_lost_and_nothing_settled_comes_back_from_before_the_last_crash()
    {
        long[] confirmed = await Task.WhenAll(CrashSettings.Shares(CrashSettings.Seed).Select(static share => KillAsync(share.Rounds, share.Seed)));
        Assert.True(confirmed.Sum() > CrashSettings.Rounds * 10, $"only {confirmed.Sum()} messages were confirmed: that is no load");
    }

    /// <summary>Kills one broker again and again; returns how many messages it has confirmed.</summary>
    private static async Task<long> KillAsync(int rounds, int seed)
    {
        var random = new Random(seed);
        MessageLedger[] ledgers = [new(Classic), new(Quorum)];
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        Func<Task<IConnection>> connect = Connector(broker);
        await DeclareQueuesAsync(connect);
        ConfirmedPublisher[] publishers = [new(connect, 1, ledgers, new Random(seed + 1)), new(connect, 2, ledgers, new Random(seed + 2))];
        AcknowledgingConsumer[] consumers =
        [
            new(connect, ledgers[0], acknowledgeEvery: 1), new(connect, ledgers[0], acknowledgeEvery: 20),
            new(connect, ledgers[1], acknowledgeEvery: 1), new(connect, ledgers[1], acknowledgeEvery: 20),
        ];
        var slowestStart = TimeSpan.Zero;
        for (int round = 1; round <= rounds; round++)
        {
            await DeclareDurableNamesAsync(connect, round);
            using var killed = new CancellationTokenSource();
            Task[] load = [.. publishers.Select(p => p.RunAsync(killed.Token)), .. ConsumersOf(round, consumers).Select(c => c.RunAsync(killed.Token))];
            await Task.Delay(random.Next(50, 600));
            await broker.KillAsync();
            await killed.CancelAsync();
            await Task.WhenAny(Task.WhenAll(load), Task.Delay(TimeSpan.FromSeconds(60)));
            string stuck = string.Join(", ", load.Index().Where(t => !t.Item.IsCompleted).Select(t => t.Index < publishers.Length ? $"publisher {t.Index}" : $"consumer {t.Index - publishers.Length}"));
            Assert.True(stuck.Length == 0, $"round {round}, seed {seed}: clients that did not end with the broker: {stuck}");
            await Task.WhenAll(load);

            var clock = Stopwatch.StartNew();
            await broker.RestartAsync();
            slowestStart = clock.Elapsed > slowestStart ? clock.Elapsed : slowestStart;
            foreach (MessageLedger ledger in ledgers)
            {
                ledger.NextEpoch();
            }

            await CheckDurableNamesAsync(connect, round);
            if (round % 3 == 0 || round == rounds)
            {
                await Task.WhenAll(ledgers.Select(ledger => new AcknowledgingConsumer(connect, ledger, acknowledgeEvery: 50).DrainAsync()));
            }

            string[] violations = [.. ledgers.SelectMany(l => l.Violations)];
            Assert.True(violations.Length == 0, $"round {round}, seed {seed}: {violations.Length} violations:\n{string.Join('\n', violations.Take(20))}");
            Assert.True(broker.ErrorLines.Count == 0, $"round {round}, seed {seed}: the broker logged errors:\n{string.Join('\n', broker.ErrorLines.Take(20))}");
        }

        long confirmed = ledgers.Sum(l => l.Confirmed);
        TestContext.Current.SendDiagnosticMessage(
            $"{rounds} kills, {confirmed} confirmed, {ledgers.Sum(l => l.Delivered)} delivered, {ledgers.Sum(l => l.DeliveredAgain)} of them again, slowest restart {slowestStart.TotalMilliseconds:F0} ms");
        return confirmed;
    }

    /// <summary>Every third round has no consumers, so that a backlog meets the crash.</summary>
    private static IEnumerable<AcknowledgingConsumer> ConsumersOf(int round, AcknowledgingConsumer[] consumers) => round % 3 == 1 ? [] : consumers;

    private static Func<Task<IConnection>> Connector(BrokerProcess broker)
    {
        var factory = new ConnectionFactory { Uri = new Uri(broker.Address), AutomaticRecoveryEnabled = false, TopologyRecoveryEnabled = false };
        return () => factory.CreateConnectionAsync();
    }

    private static async Task DeclareQueuesAsync(Func<Task<IConnection>> connect)
    {
        await using IConnection connection = await connect();
        IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(Classic, durable: true, exclusive: false, autoDelete: false);
        await channel.QueueDeclareAsync(Quorum, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
    }

    /// <summary>A durable exchange, queue and binding of this round; those of the round before are deleted.</summary>
    private static async Task DeclareDurableNamesAsync(Func<Task<IConnection>> connect, int round)
    {
        await using IConnection connection = await connect();
        IChannel channel = await connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync($"crash.x.{round}", "topic", durable: true);
        await channel.QueueDeclareAsync($"crash.q.{round}", durable: true, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync($"crash.q.{round}", $"crash.x.{round}", "a.#");
        await channel.ExchangeDeleteAsync($"crash.x.{round - 1}");
        await channel.QueueDeleteAsync($"crash.q.{round - 1}");
    }

    private static async Task CheckDurableNamesAsync(Func<Task<IConnection>> connect, int round)
    {
        await using IConnection connection = await connect();
        IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.BasicPublishAsync($"crash.x.{round}", "a.b", mandatory: true, new BasicProperties(), MessageBody.Create(round, 100));
        Assert.NotNull(await channel.BasicGetAsync($"crash.q.{round}", autoAck: true));
        OperationInterruptedException gone = await Assert.ThrowsAsync<OperationInterruptedException>(() => channel.QueueDeclarePassiveAsync($"crash.q.{round - 1}"));
        Assert.Equal(404, gone.ShutdownReason!.ReplyCode);
    }
}
