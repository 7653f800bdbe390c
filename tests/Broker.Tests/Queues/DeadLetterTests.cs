using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Tests.Exchanges;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class DeadLetterTests
{
    [Theory]
    [InlineData(DeathReason.Rejected)]
    [InlineData(DeathReason.Expired)]
    [InlineData(DeathReason.MaxLength)]
    [InlineData(DeathReason.DeliveryLimit)]
    public void A_dead_message_goes_to_the_dead_letter_queue_with_its_history(DeathReason reason)
    {
        using var broker = new TestBroker();
        broker.Declare("dead");
        (string, object?)[] extra = reason switch
        {
            DeathReason.Expired => [("x-message-ttl", 50L)],
            DeathReason.MaxLength => [("x-max-length", 0L)],
            DeathReason.DeliveryLimit => [("x-queue-type", "quorum"), ("x-delivery-limit", 0L)],
            _ => [],
        };
        MessageQueue queue = broker.Declare("q", [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"), .. extra]);
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 1);
        if (reason is DeathReason.Rejected or DeathReason.DeliveryLimit)
        {
            queue.AddConsumer(consumer);
        }

        broker.Publish("q", "a");
        if (reason == DeathReason.Rejected)
        {
            queue.Reject([consumer.Messages[0].Id]);
        }
        else if (reason == DeathReason.DeliveryLimit)
        {
            queue.Requeue([consumer.Messages[0].Id]);
        }

        broker.Advance(TimeSpan.FromMilliseconds(60));
        Assert.Equal(0, queue.ReadyCount + queue.UnsettledCount);
        RecordingConsumer dead = RecordingConsumer.Create();
        broker.Host.FindQueue("dead", null).Value!.AddConsumer(dead);
        RecordingConsumer.Received received = Assert.Single(dead.Messages);
        Assert.Equal("a", received.Body);
        Assert.Equal("dead", received.RoutingKey);
        Death death = Assert.Single(received.Deaths);
        Assert.Equal(("q", reason, 1L, ""), (death.Queue, death.Reason, death.Count, death.Exchange));
        Assert.Equal(["q"], death.RoutingKeys);
    }

    [Fact]
    public void An_expiry_cycle_without_a_rejection_ends()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-message-ttl", 10L), ("x-dead-letter-exchange", ""));
        broker.Publish("q", "a");
        broker.Advance(TimeSpan.FromMilliseconds(20));
        broker.Advance(TimeSpan.FromMilliseconds(20));
        Assert.Equal(0, queue.ReadyCount + queue.UnsettledCount);
    }

    [Fact]
    public void A_refused_publish_is_reported_by_its_ticket_and_dead_lettered_when_asked()
    {
        using var broker = new TestBroker();
        broker.Declare("dead");
        broker.Declare("q", ("x-max-length", 2L), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"));
        Assert.Null(broker.Publish("q", "a").Rejected);
        Assert.Equal([1ul, 2ul], broker.Publish("q", "b", "c", "d").Rejected);
        RecordingConsumer consumer = RecordingConsumer.Create(), dead = RecordingConsumer.Create();
        broker.Host.FindQueue("q", null).Value!.AddConsumer(consumer);
        broker.Host.FindQueue("dead", null).Value!.AddConsumer(dead);
        Assert.Equal(["a", "b"], consumer.Bodies);
        Assert.Equal(["c", "d"], dead.Bodies);
    }

    [Theory]
    [InlineData("")]
    [InlineData("amq.direct")]
    public void What_expired_while_the_broker_was_down_is_dead_lettered_however_soon_the_work_of_the_start_runs(string deadLetterExchange)
    {
        using var broker = new TestBroker();
        // The target sorts after the source: a start meets the source first.
        broker.Declare("z.dead");
        Assert.True(broker.Run(broker.Host.BindAsync("amq.direct", DestinationKind.Queue, "z.dead", "z.dead", Arguments.Empty, null)).IsOk);
        broker.Declare("a", ("x-message-ttl", 1000L), ("x-dead-letter-exchange", deadLetterExchange), ("x-dead-letter-routing-key", "z.dead"));
        broker.Publish("a", "1", "2");
        broker.Crash(CrashKind.Power, down: TimeSpan.FromSeconds(2), postedRunsAtOnce: true);
        Assert.Equal(0, broker.Host.FindQueue("a", null).Value!.ReadyCount);
        Assert.Equal(2, broker.Host.FindQueue("z.dead", null).Value!.ReadyCount);
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_crash_while_dead_lettering_leaves_each_message_in_one_place(CrashKind crash)
    {
        for (int steps = 0; steps < 12; steps++)
        {
            using var broker = new TestBroker();
            broker.Declare("dead");
            MessageQueue queue = broker.Declare("q", ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"));
            RecordingConsumer consumer = RecordingConsumer.Create();
            queue.AddConsumer(consumer);
            broker.Publish("q", "a", "b", "c");
            queue.Reject([.. consumer.Messages.Select(message => message.Id)]);
            for (int i = 0; i < steps; i++)
            {
                broker.Scheduler.RunOne();
            }

            broker.Crash(crash);
            broker.Scheduler.RunAll();
            long inQueue = broker.Host.FindQueue("q", null).Value!.ReadyCount;
            long inDead = broker.Host.FindQueue("dead", null).Value!.ReadyCount;
            Assert.Equal(3, inQueue + inDead);
        }
    }

    [Fact]
    public void A_letter_that_a_delayed_exchange_cannot_keep_stays_in_its_queue()
    {
        using var broker = new TestBroker(formats: new FakePropertiesReader { Headers = new FakeHeaders(("x-delay", 5_000_000)) });
        broker.Declare("target");
        broker.DeclareDelayed("later", "target");
        MessageQueue queue = broker.Declare("q", ("x-dead-letter-exchange", "later"), ("x-dead-letter-routing-key", "k"));
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        using (PublishTurn turn = broker.Host.CreatePublishTurn())
        {
            foreach (string body in new[] { "kept", "moved" })
            {
                turn.Publish(new MessageToPublish { RoutingKey = "q"u8, Format = PropertiesFormat.Amqp091, Properties = "\0\0"u8, Body = Encoding.UTF8.GetBytes(body), Persistent = true }, 0);
            }

            turn.Flush();
        }

        broker.FailLogOfDelays("later", 5_000_000);
        long before = broker.Host.Delays!.Count;
        queue.Reject([consumer.Messages[0].Id]);
        broker.Scheduler.RunAll();
        Assert.Equal((0, 2), (broker.Host.Delays!.Count - before, queue.UnsettledCount));
        broker.Crash(CrashKind.Process);
        queue = broker.Host.FindQueue("q", null).Value!;
        Assert.Equal(2, queue.ReadyCount);
        before = broker.Host.Delays!.Count;
        consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        queue.Reject([.. consumer.Messages.Select(message => message.Id)]);
        broker.Scheduler.RunAll();
        Assert.Equal((2, 0), (broker.Host.Delays!.Count - before, queue.UnsettledCount));
    }
}
