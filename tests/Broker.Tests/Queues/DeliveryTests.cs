using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class DeliveryTests
{
    [Fact]
    public void Messages_reach_a_waiting_consumer_in_order()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create();
        Assert.True(queue.AddConsumer(consumer).IsOk);
        broker.Publish("q", "a", "b");
        broker.Publish("q", "c");
        Assert.Equal(["a", "b", "c"], consumer.Bodies);
        Assert.Equal(3, queue.UnsettledCount);
        Assert.Equal(0, queue.ReadyCount);
    }

    [Fact]
    public void Credit_holds_back_and_resume_goes_on()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 2);
        queue.AddConsumer(consumer);
        broker.Publish("q", "a", "b", "c");
        Assert.Equal(["a", "b"], consumer.Bodies);
        queue.Settle([consumer.Messages[0].Id]);
        consumer.Credit = 1;
        queue.Resume(consumer);
        Assert.Equal(["a", "b", "c"], consumer.Bodies);
    }

    [Fact]
    public void Consumers_of_one_priority_take_turns()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer first = RecordingConsumer.Create("1"), second = RecordingConsumer.Create("2"), preferred = RecordingConsumer.Create("3", priority: 5, credit: 1);
        queue.AddConsumer(first);
        queue.AddConsumer(second);
        queue.AddConsumer(preferred);
        broker.Publish("q", "a", "b", "c", "d", "e");
        Assert.Equal(["a"], preferred.Bodies);
        Assert.Equal(["b", "d"], first.Bodies);
        Assert.Equal(["c", "e"], second.Bodies);
    }

    [Fact]
    public void Requeued_messages_come_back_first_and_marked()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 2);
        queue.AddConsumer(consumer);
        broker.Publish("q", "a", "b", "c");
        MessageId[] ids = [.. consumer.Messages.Select(message => message.Id)];
        consumer.Messages.Clear();
        consumer.Credit = 3;
        queue.Requeue(ids);
        Assert.Equal([("a", true), ("b", true), ("c", false)], consumer.Messages.Select(message => (message.Body, message.Redelivered)));
    }

    [Fact]
    public void A_confirmed_message_survives_a_power_loss_and_a_settled_one_does_not_return()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 1);
        queue.AddConsumer(consumer);
        broker.Publish("q", "a", "b");
        queue.Settle([consumer.Messages[0].Id]);
        broker.Publish("q", "c");
        broker.Crash(CrashKind.Power);
        queue = broker.Host.FindQueue("q", null).Value!;
        RecordingConsumer second = RecordingConsumer.Create();
        queue.AddConsumer(second);
        broker.Scheduler.RunAll();
        Assert.Equal(["b", "c"], second.Bodies);
    }

    [Fact]
    public void A_backlog_larger_than_memory_is_read_back_from_segments()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        string padding = new('x', 500);
        for (int i = 0; i < 40; i++)
        {
            broker.Publish("q", [.. Enumerable.Range(i * 50, 50).Select(n => $"{n}:{padding}")]);
        }

        RecordingConsumer consumer = RecordingConsumer.Create(autoSettle: true);
        queue.AddConsumer(consumer);
        broker.Scheduler.RunAll();
        Assert.Equal(Enumerable.Range(0, 2000).Select(n => n.ToString()), consumer.Bodies.Select(body => body.Split(':')[0]));
        Assert.Equal(0, queue.ReadyCount + queue.UnsettledCount);
    }

    [Fact]
    public void A_queue_with_a_backlog_in_files_holds_no_memory_to_read_from_unless_it_is_read()
    {
        using var broker = new TestBroker();
        broker.Declare("q");
        string padding = new('x', 500);
        TestBroker.Body[] bodies = [.. Enumerable.Range(0, 500).Select(n => new TestBroker.Body($"{n}:{padding}", TimeToLiveMs: n == 0 ? 60_000 : -1))];
        broker.PublishTo("", "q", bodies);
        broker.PublishTo("", "q", bodies[1..]);
        broker.Crash(CrashKind.Process);
        var queue = (CompetingQueue)broker.Host.FindQueue("q", null).Value!;
        Lane lane = queue.Lanes[0];
        Assert.False(lane.HoldsMemory, "The look at the head keeps what it read.");
        broker.Publish("q", "last");
        Assert.False(lane.HoldsMemory, "A publish to the end reads the head again.");
        Assert.Equal(1000, queue.ReadyCount);
        broker.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(999, queue.ReadyCount);
        Assert.False(lane.HoldsMemory, "The look at the second head keeps what it read.");

        RecordingConsumer first = RecordingConsumer.Create(credit: 100);
        queue.AddConsumer(first);
        broker.Scheduler.RunAll();
        Assert.Equal(100, first.Messages.Count);
        Assert.True(lane.HoldsMemory, "The test shows nothing: the backlog is not in files.");
        queue.RemoveConsumer(first);
        broker.Scheduler.RunAll();
        Assert.False(lane.HoldsMemory, "A queue without consumers keeps what it read.");

        RecordingConsumer second = RecordingConsumer.Create();
        queue.AddConsumer(second);
        broker.Scheduler.RunAll();
        Assert.Equal([.. bodies[101..].Select(body => body.Text), .. bodies[1..].Select(body => body.Text), "last"], second.Bodies);
        Assert.False(lane.HoldsMemory, "A queue that has been read keeps what it read.");
    }

    [Fact]
    public void Messages_are_got_from_a_backlog_in_files()
    {
        using var broker = new TestBroker();
        broker.Declare("q", ("x-message-ttl", 60_000L));
        string padding = new('x', 500);
        for (int i = 0; i < 20; i++)
        {
            broker.Publish("q", [.. Enumerable.Range(i * 10, 10).Select(n => $"{n}:{padding}")]);
        }

        broker.Crash(CrashKind.Process);
        MessageQueue queue = broker.Host.FindQueue("q", null).Value!;
        var sink = new Sink();
        for (int i = 0; i < 200; i++)
        {
            Assert.True(broker.Run(queue.GetAsync(autoSettle: true, sink)));
            if (i == 100)
            {
                broker.Publish("q", "last");
            }
        }

        Assert.Equal(Enumerable.Range(0, 200).Select(n => $"{n}:{padding}"), sink.Bodies);
        Assert.Equal(1, queue.ReadyCount);
    }

    [Fact]
    public void Higher_priorities_go_first()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-max-priority", 5L));
        broker.PublishTo("", "q", new("low", Priority: 0), new("high", Priority: 5), new("above", Priority: 9), new("middle", Priority: 3));
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        Assert.Equal(["high", "above", "middle", "low"], consumer.Bodies);
    }

    [Fact]
    public void Expired_messages_at_the_head_go_without_a_consumer()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-message-ttl", 1000L));
        broker.PublishTo("", "q", new("short", TimeToLiveMs: 100), new("long"));
        Assert.Equal(2, queue.ReadyCount);
        broker.Advance(TimeSpan.FromMilliseconds(150));
        Assert.Equal(1, queue.ReadyCount);
        broker.Advance(TimeSpan.FromMilliseconds(900));
        Assert.Equal(0, queue.ReadyCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_with_a_time_to_live_of_zero_goes_to_a_consumer_that_waits_however_long_the_turn_took(bool ofQueue)
    {
        using var broker = new TestBroker();
        MessageQueue queue = ofQueue ? broker.Declare("q", ("x-message-ttl", 0L)) : broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 1);
        queue.AddConsumer(consumer);
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        foreach (byte body in "ab"u8)
        {
            turn.Publish(new MessageToPublish { RoutingKey = "q"u8, Body = [body], TimeToLiveMs = ofQueue ? -1 : 0 }, 0);
        }

        broker.Clock.Advance(TimeSpan.FromMilliseconds(5));
        turn.Flush();
        Assert.Equal(["a"], consumer.Bodies);
        Assert.Equal(0, queue.ReadyCount);
    }

    [Fact]
    public void The_oldest_go_when_the_queue_is_full()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-max-length", 2L));
        broker.Publish("q", "a", "b", "c");
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        Assert.Equal(["b", "c"], consumer.Bodies);
    }

    private sealed class Sink : IDeliverySink
    {
        public List<string> Bodies { get; } = [];

        public void Take(in Delivery delivery, long remaining) => Bodies.Add(Encoding.UTF8.GetString(delivery.Message.Body));
    }
}
