using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

/// <summary>What can refuse a transaction does so before anything of it happens; and a turn that fails appends nothing twice.</summary>
public sealed class TransactionFailureTests
{
    [Fact]
    public void A_failed_log_of_delayed_messages_refuses_the_whole_transaction()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        broker.DeclareDelayed("later", "q");
        broker.FailLogOfDelays("later", 5_000_000);
        PublishTurn transaction = broker.Host.CreateTransaction();
        Publish(transaction, "", "q", "now");
        Publish(transaction, "later", "k", "later", delayMs: 5_000_000);
        Assert.NotNull(transaction.Commit([]).Failure);
        broker.Scheduler.RunAll();
        Assert.Equal(0, queue.ReadyCount);
        Assert.Null(broker.Store.Failure);
        broker.Crash(CrashKind.Process);
        Assert.Equal(0, broker.Host.FindQueue("q", null).Value!.ReadyCount);
    }

    [Fact]
    public void Priorities_of_a_queue_share_its_room()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-max-priority", 5L), ("x-max-length", 2L), ("x-overflow", "reject-publish"));
        using PublishTurn transaction = broker.Host.CreateTransaction();
        for (byte priority = 0; priority < 3; priority++)
        {
            Publish(transaction, "", "q", "m", priority: priority);
        }

        Assert.Single(transaction.Commit([]).Rejected!);
        Assert.Equal(0, queue.ReadyCount);
    }

    [Fact]
    public void A_length_limit_that_comes_while_messages_are_staged_counts_from_the_next_turn_on()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        Publish(turn, "", "q", "1");
        Publish(turn, "", "q", "2");
        var settings = TestBroker.ToArguments(("max-length", 1L), ("overflow", "reject-publish"));
        Assert.True(broker.Run(broker.Host.SetPolicyAsync(new PolicyDefinition("p", ".*", "queues", 0, settings, false))).IsOk);
        Assert.Null(turn.Flush().Rejected);
        Publish(turn, "", "q", "3");
        Assert.Single(turn.Flush().Rejected!);
        Assert.Equal(2, queue.ReadyCount);
    }

    [Fact]
    public void A_message_larger_than_a_batch_may_be_is_refused_and_the_turn_goes_on()
    {
        using var broker = new TestBroker(new LogStoreOptions { BatchBytesMax = 64 << 10 });
        MessageQueue queue = broker.Declare("q");
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        Publish(turn, "", "q", "1");
        var large = new MessageToPublish { RoutingKey = "q"u8, Body = new byte[100_000], Persistent = true };
        Assert.Equal(PublishOutcome.TooLarge, turn.Publish(large, 0));
        Publish(turn, "", "q", "2");
        Assert.Null(turn.Flush().Failure);
        Assert.Equal(2, queue.ReadyCount);
    }

    [Fact]
    public void What_a_turn_gathers_for_a_queue_may_be_more_than_a_batch()
    {
        using var broker = new TestBroker(new LogStoreOptions { BatchBytesMax = 64 << 10 });
        MessageQueue queue = broker.Declare("q"), limited = broker.Declare("limited", ("x-max-length", 25L), ("x-overflow", "reject-publish"));
        foreach (bool isTransaction in new[] { false, true })
        {
            using PublishTurn turn = isTransaction ? broker.Host.CreateTransaction() : broker.Host.CreatePublishTurn();
            for (int i = 0; i < 20; i++)
            {
                Publish(turn, "", "q", i + new string('x', 10_000));
            }

            Assert.Null((isTransaction ? turn.Commit([]) : turn.Flush()).Failure);
        }

        using PublishTurn transaction = broker.Host.CreateTransaction();
        for (int i = 0; i < 30; i++)
        {
            Publish(transaction, "", "limited", new string('x', 10_000));
        }

        Assert.Equal(5, transaction.Commit([]).Rejected!.Count);
        Assert.Equal(0, limited.ReadyCount);
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        broker.Scheduler.RunAll();
        Assert.Equal(Enumerable.Range(0, 40).Select(i => $"{i % 20}"), consumer.Bodies.Select(body => body.TrimEnd('x')));
    }

    [Fact]
    public void A_turn_that_fails_appends_nothing_twice()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q"), other = broker.Declare("other");
        var consumer = new FailingConsumer { Tag = "c", Description = "test", Owner = new object() };
        queue.AddConsumer(consumer);
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        Publish(turn, "", "other", "1");
        Publish(turn, "", "q", "1");
        Assert.Throws<InvalidOperationException>(() => turn.Flush());
        Assert.Null(turn.Flush().Failure);
        queue.RemoveConsumer(consumer);
        Assert.Equal((1, 1), (queue.ReadyCount, other.ReadyCount));
    }

    [Fact]
    public void A_transaction_counts_a_message_for_each_queue_it_goes_to()
    {
        using var broker = new TestBroker(options: new BrokerOptions { TransactionBytesMax = 100_000 });
        for (int i = 0; i < 10; i++)
        {
            broker.Declare($"q{i}");
            Assert.True(broker.Run(broker.Host.BindAsync("amq.fanout", DestinationKind.Queue, $"q{i}", "", Arguments.Empty, null)).IsOk);
        }

        using PublishTurn transaction = broker.Host.CreateTransaction();
        var message = new MessageToPublish { Exchange = "amq.fanout"u8, Body = new byte[20_000] };
        Assert.Equal(PublishOutcome.TooLarge, transaction.Publish(message, 0));
        message.Body = new byte[5_000];
        Assert.Equal(PublishOutcome.Routed, transaction.Publish(message, 0));
    }

    [Fact]
    public void Messages_of_a_transaction_count_as_published_at_its_commit()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        broker.DeclareDelayed("later", "q");
        RecordingConsumer consumer = RecordingConsumer.Create();
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Publish(transaction, "", "q", "plain");
        Publish(transaction, "", "q", "expiring", timeToLiveMs: 5_000);
        Publish(transaction, "later", "k", "delayed", delayMs: 30_000);
        broker.Advance(TimeSpan.FromSeconds(20));
        Publish(transaction, "", "q", "last");
        long committedMs = broker.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        Assert.Null(transaction.Commit([]).Failure);
        broker.Advance(TimeSpan.FromSeconds(4));
        queue.AddConsumer(consumer);
        Assert.Equal(["plain", "expiring", "last"], consumer.Bodies);
        Assert.All(consumer.Messages, message => Assert.Equal(committedMs, message.TimestampMs));
        broker.Advance(TimeSpan.FromSeconds(25));
        Assert.Equal(3, consumer.Messages.Count);
        broker.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("delayed", consumer.Messages[^1].Body);
    }

    [Theory]
    [InlineData(CrashKind.Process, true)]
    [InlineData(CrashKind.Power, true)]
    [InlineData(CrashKind.Power, false)]
    public void Rejections_survive_a_crash_with_their_transaction(CrashKind crash, bool deadLetters)
    {
        int committed = 0;
        for (int steps = 0; steps < 10; steps++)
        {
            using var broker = new TestBroker();
            MessageQueue source = deadLetters
                ? broker.Declare("source", ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"))
                : broker.Declare("source");
            broker.Declare("dead");
            broker.Declare("a");
            RecordingConsumer consumer = RecordingConsumer.Create();
            source.AddConsumer(consumer);
            broker.Publish("source", "1", "2");
            PublishTurn transaction = broker.Host.CreateTransaction();
            Publish(transaction, "", "a", "m");
            TurnResult result = transaction.Commit([new TransactionSettlement(source, [.. consumer.Messages.Select(message => message.Id)], SettlementKind.Reject)]);
            Assert.Equal(0, source.UnsettledCount);
            for (int i = 0; i < steps; i++)
            {
                broker.Scheduler.RunOne();
            }

            bool promised = broker.Store.DurablePosition >= result.Position;
            broker.Crash(crash);
            (long Source, long Dead, long A) counts = (Ready(broker, "source"), Ready(broker, "dead"), Ready(broker, "a"));
            (long, long, long) whole = (0, deadLetters ? 2 : 0, 1);
            Assert.Contains(counts, new[] { (2L, 0L, 0L), whole });
            if (promised)
            {
                Assert.Equal(whole, counts);
            }

            committed += (int)counts.A;
        }

        Assert.True(committed > 0, "No round committed: the test shows nothing.");
    }

    [Fact]
    public void A_refused_transaction_rejects_nothing()
    {
        using var broker = new TestBroker();
        MessageQueue dead = broker.Declare("dead"), source = broker.Declare("source", ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"));
        broker.Declare("full", ("x-max-length", 0L), ("x-overflow", "reject-publish"));
        RecordingConsumer consumer = RecordingConsumer.Create();
        source.AddConsumer(consumer);
        broker.Publish("source", "1");
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Publish(transaction, "", "full", "m");
        Assert.NotNull(transaction.Commit([new TransactionSettlement(source, [consumer.Messages[0].Id], SettlementKind.Reject)]).Rejected);
        broker.Scheduler.RunAll();
        Assert.Equal((0, 1), (dead.ReadyCount, source.UnsettledCount));
    }

    private static long Ready(TestBroker broker, string name) => broker.Host.FindQueue(name, null).Value!.ReadyCount;

    private static void Publish(PublishTurn turn, string exchange, string routingKey, string body, long delayMs = -1, long timeToLiveMs = -1, byte priority = 0) =>
        Assert.Equal(PublishOutcome.Routed, turn.Publish(
            new MessageToPublish
            {
                Exchange = Encoding.UTF8.GetBytes(exchange),
                RoutingKey = Encoding.UTF8.GetBytes(routingKey),
                Body = Encoding.UTF8.GetBytes(body),
                Persistent = true,
                Confirmed = true,
                DelayMs = delayMs,
                TimeToLiveMs = timeToLiveMs,
                Priority = priority,
            },
            0));

    private sealed class FailingConsumer : Consumer
    {
        public override bool CanTake => true;

        public override void Deliver(in Delivery delivery) => throw new InvalidOperationException("a defect");

        public override void EndRun()
        {
        }

        public override void Cancelled()
        {
        }
    }
}
