using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class TransactionTests
{
    [Fact]
    public void Nothing_is_seen_before_the_commit()
    {
        using var broker = new TestBroker();
        MessageQueue first = broker.Declare("a"), second = broker.Declare("b");
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Stage(transaction, "a", "1");
        Stage(transaction, "b", "2");
        Assert.Equal(0, first.ReadyCount + second.ReadyCount);
        Assert.Null(transaction.Commit([]).Failure);
        Assert.Equal((1, 1), (first.ReadyCount, second.ReadyCount));
    }

    [Fact]
    public void A_rolled_back_transaction_leaves_nothing()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("a");
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Stage(transaction, "a", "1");
        transaction.Clear();
        Assert.Equal(JournalPosition.None, transaction.Commit([]).Position);
        Assert.Equal(0, queue.ReadyCount);
    }

    [Fact]
    public void A_full_queue_refuses_the_whole_transaction()
    {
        using var broker = new TestBroker();
        MessageQueue open = broker.Declare("a"), full = broker.Declare("b", ("x-max-length", 1L), ("x-overflow", "reject-publish")), source = broker.Declare("source");
        RecordingConsumer consumer = RecordingConsumer.Create();
        source.AddConsumer(consumer);
        broker.Publish("source", "work");
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Stage(transaction, "a", "1");
        Stage(transaction, "b", "2");
        Stage(transaction, "b", "3");
        TurnResult result = transaction.Commit([new TransactionSettlement(source, [consumer.Messages[0].Id], SettlementKind.Settle)]);
        Assert.Single(result.Rejected!);
        Assert.Equal((0, 0, 1), (open.ReadyCount, full.ReadyCount, source.UnsettledCount));
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Publishes_and_acknowledgements_survive_a_crash_whole_or_not_at_all(CrashKind crash)
    {
        int committed = 0;
        for (int steps = 0; steps < 10; steps++)
        {
            using var broker = new TestBroker();
            MessageQueue source = broker.Declare("source");
            broker.Declare("a");
            broker.Declare("b");
            RecordingConsumer consumer = RecordingConsumer.Create();
            source.AddConsumer(consumer);
            broker.Publish("source", "work");
            PublishTurn transaction = broker.Host.CreateTransaction();
            Stage(transaction, "a", "1");
            Stage(transaction, "b", "2");
            TurnResult result = transaction.Commit([new TransactionSettlement(source, [consumer.Messages[0].Id], SettlementKind.Settle)]);
            for (int i = 0; i < steps; i++)
            {
                broker.Scheduler.RunOne();
            }

            bool promised = broker.Store.DurablePosition >= result.Position;
            broker.Crash(crash);
            (long Source, long A, long B) counts = (Ready(broker, "source"), Ready(broker, "a"), Ready(broker, "b"));
            Assert.Contains(counts, new[] { (1L, 0L, 0L), (0L, 1L, 1L) });
            if (promised)
            {
                Assert.Equal((0, 1, 1), counts);
            }

            committed += (int)counts.A;
        }

        Assert.True(committed > 0, "No round committed: the test shows nothing.");
    }

    private static long Ready(TestBroker broker, string name) => broker.Host.FindQueue(name, null).Value!.ReadyCount;

    private static void Stage(PublishTurn turn, string queue, string body) =>
        Assert.Equal(PublishOutcome.Routed, turn.Publish(
            new MessageToPublish { RoutingKey = Encoding.UTF8.GetBytes(queue), Body = Encoding.UTF8.GetBytes(body), Persistent = true, Confirmed = true }, 0));
}
