using System.Collections.Concurrent;
using RabbitMQ.Client;
using Sluice.BlackBox;

namespace Sluice.Crash;

/// <summary>kill -9 amid transactions that take one message from a queue and put one into each of two others.</summary>
public sealed class KillUnderTransactionsTests
{
    private const int Messages = 2000;
    private const int Movers = 3;

    [Fact]
    public async Task Two_publishes_and_an_acknowledgement_in_one_transaction_happen_together_or_not_at_all()
    {
        int rounds = Math.Max(1, CrashSettings.Rounds / 5);
        int seed = CrashSettings.Seed;
        var random = new Random(seed);
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        var factory = new ConnectionFactory { Uri = new Uri(broker.Address), AutomaticRecoveryEnabled = false, TopologyRecoveryEnabled = false };
        long moved = 0;
        for (int round = 1; round <= rounds; round++)
        {
            (string from, string left, string right) = ($"tx.from.{round}", $"tx.left.{round}", $"tx.right.{round}");
            await FillAsync(factory, from, left, right);
            var committed = new ConcurrentBag<long>();
            Task[] movers = [.. Enumerable.Range(0, Movers).Select(_ => MoveUntilBrokenAsync(factory, from, left, right, committed))];
            await Task.Delay(random.Next(50, 500));
            await broker.KillAsync();
            await Task.WhenAll(movers).WaitAsync(TimeSpan.FromSeconds(60));
            await broker.RestartAsync();

            HashSet<long> stayed = await TakeAllAsync(factory, from);
            HashSet<long> wentLeft = await TakeAllAsync(factory, left);
            HashSet<long> wentRight = await TakeAllAsync(factory, right);
            string where = $"round {round}, seed {seed}";
            Assert.True(wentLeft.SetEquals(wentRight), $"{where}: {wentLeft.Count} went left, {wentRight.Count} right; only on one side: {Some(Difference(wentLeft, wentRight))}");
            Assert.True(!stayed.Overlaps(wentLeft), $"{where}: moved and still there: {Some(stayed.Intersect(wentLeft))}");
            Assert.True(stayed.Count + wentLeft.Count == Messages, $"{where}: {stayed.Count} stayed and {wentLeft.Count} moved of {Messages}");
            Assert.True(committed.All(wentLeft.Contains), $"{where}: committed and lost: {Some(committed.Where(id => !wentLeft.Contains(id)))}");
            Assert.True(broker.ErrorLines.Count == 0, $"{where}: the broker logged errors:\n{string.Join('\n', broker.ErrorLines.Take(20))}");
            moved += wentLeft.Count;
        }

        TestContext.Current.SendDiagnosticMessage($"{rounds} kills, {moved} transactions found complete");
        Assert.True(moved > rounds, $"only {moved} transactions were committed in {rounds} rounds: that is no load");
    }

    private static async Task FillAsync(ConnectionFactory factory, params string[] queues)
    {
        await using IConnection connection = await factory.CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        foreach (string queue in queues)
        {
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        }

        var confirms = new List<Task>();
        for (long id = 0; id < Messages; id++)
        {
            confirms.Add(PublishAsync(channel, queues[0], id).AsTask());
        }

        await Task.WhenAll(confirms);
    }

    private static ValueTask PublishAsync(IChannel channel, string queue, long id) =>
        channel.BasicPublishAsync("", queue, mandatory: false, new BasicProperties { Persistent = true }, MessageBody.Create(id, 200));

    private static async Task MoveUntilBrokenAsync(ConnectionFactory factory, string from, string left, string right, ConcurrentBag<long> committed)
    {
        IConnection? connection = null;
        try
        {
            connection = await factory.CreateConnectionAsync();
            IChannel channel = await connection.CreateChannelAsync();
            await channel.TxSelectAsync();
            while (await channel.BasicGetAsync(from, autoAck: false) is { } message)
            {
                long id = MessageBody.Read(message.Body.Span);
                await PublishAsync(channel, left, id);
                await channel.BasicAckAsync(message.DeliveryTag, multiple: false);
                await PublishAsync(channel, right, id);
                await channel.TxCommitAsync();
                committed.Add(id);
            }
        }
        catch (Exception e) when (Breakage.IsBroken(e))
        {
            // A transaction whose commit-ok did not come is there as a whole, or not at all.
        }
        finally
        {
            await (connection is null ? Task.CompletedTask : Breakage.DropAsync(connection));
        }
    }

    /// <summary>Empties and deletes a queue; no message may be in it twice.</summary>
    private static async Task<HashSet<long>> TakeAllAsync(ConnectionFactory factory, string queue)
    {
        await using IConnection connection = await factory.CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync();
        var taken = new HashSet<long>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } message)
        {
            long id = MessageBody.Read(message.Body.Span);
            Assert.True(taken.Add(id), $"message {id} is twice in {queue}");
        }

        await channel.QueueDeleteAsync(queue);
        return taken;
    }

    private static IEnumerable<long> Difference(HashSet<long> one, HashSet<long> other) => one.Except(other).Concat(other.Except(one));

    private static string Some(IEnumerable<long> ids) => string.Join(", ", ids.Order().Take(10));
}
