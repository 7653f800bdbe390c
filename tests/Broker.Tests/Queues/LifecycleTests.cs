using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class LifecycleTests
{
    [Fact]
    public void Durable_definitions_and_bindings_survive_a_restart_and_transient_ones_do_not()
    {
        using var broker = new TestBroker();
        broker.Declare("kept");
        broker.Declare(new QueueDefinition("transient", false, false, false, Arguments.Empty));
        Assert.True(broker.Run(broker.Host.DeclareExchangeAsync(new ExchangeDefinition("logs", "topic", true, false, false, Arguments.Empty))).IsOk);
        Assert.True(broker.Run(broker.Host.BindAsync("logs", DestinationKind.Queue, "kept", "a.#", Arguments.Empty, null)).IsOk);
        Assert.True(broker.Run(broker.Host.BindAsync("logs", DestinationKind.Queue, "transient", "#", Arguments.Empty, null)).IsOk);
        broker.PublishTo("logs", "a.b", new TestBroker.Body("1"));
        broker.Restart();
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("transient", null).Status);
        Assert.Equal(1, broker.Host.FindQueue("kept", null).Value!.ReadyCount);
        broker.PublishTo("logs", "a.c", new TestBroker.Body("2"));
        Assert.Equal(2, broker.Host.FindQueue("kept", null).Value!.ReadyCount);
        Assert.Single(broker.Host.ListBindings());
    }

    [Fact]
    public void The_first_partition_of_a_topic_that_grows_keeps_its_name_as_a_stream()
    {
        using var broker = new TestBroker();
        Topic topic = broker.Run(broker.Host.CreateTopicAsync(new TopicDefinition("grows", Guid.NewGuid(), new Dictionary<string, string>()), 1)).Value!;
        Assert.True(broker.Run(broker.Host.AddPartitionsAsync(topic, 3)).IsOk);
        broker.Restart();
        Assert.Equal([true, false, true, true], new[] { "grows", "grows:0", "grows:1", "grows:2" }.Select(name => broker.Host.FindQueue(name, null).IsOk));
    }

    [Fact]
    public void An_exclusive_queue_is_its_owners_alone_and_goes_with_it()
    {
        using var broker = new TestBroker();
        object owner = new(), stranger = new();
        broker.Declare(new QueueDefinition("mine", false, true, false, Arguments.Empty), owner);
        Assert.Equal(BrokerStatus.Locked, broker.Host.FindQueue("mine", stranger).Status);
        Assert.Equal(BrokerStatus.Locked, broker.Run(broker.Host.DeleteQueueAsync("mine", false, false, stranger)).Status);
        Assert.True(broker.Host.FindQueue("mine", owner).IsOk);
        broker.Run(broker.Host.ReleaseOwnerAsync(owner));
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("mine", owner).Status);
    }

    [Fact]
    public void An_auto_delete_queue_goes_with_its_last_consumer()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare(new QueueDefinition("q", true, false, true, Arguments.Empty));
        RecordingConsumer first = RecordingConsumer.Create("1"), second = RecordingConsumer.Create("2");
        queue.AddConsumer(first);
        queue.AddConsumer(second);
        queue.RemoveConsumer(first);
        broker.Scheduler.RunAll();
        Assert.True(broker.Host.FindQueue("q", null).IsOk);
        queue.RemoveConsumer(second);
        broker.Scheduler.RunAll();
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("q", null).Status);
    }

    [Fact]
    public void A_queue_unused_for_its_time_goes()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-expires", 1000L));
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        broker.Advance(TimeSpan.FromSeconds(5));
        Assert.True(broker.Host.FindQueue("q", null).IsOk);
        queue.RemoveConsumer(consumer);
        broker.Advance(TimeSpan.FromMilliseconds(900));
        Assert.True(broker.Host.FindQueue("q", null).IsOk);
        broker.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("q", null).Status);
    }

    [Fact]
    public void An_auto_delete_queue_stays_when_another_consumer_comes_before_it_is_deleted()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare(new QueueDefinition("q", true, false, true, Arguments.Empty));
        RecordingConsumer first = RecordingConsumer.Create("1"), second = RecordingConsumer.Create("2");
        queue.AddConsumer(first);
        queue.RemoveConsumer(first);
        Assert.True(queue.AddConsumer(second).IsOk);
        broker.Scheduler.RunAll();
        Assert.Same(queue, broker.Host.FindQueue("q", null).Value);
        Assert.False(second.WasCancelled);
        queue.RemoveConsumer(second);
        broker.Scheduler.RunAll();
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("q", null).Status);
    }

    [Fact]
    public void A_queue_that_is_used_again_before_it_is_deleted_does_not_expire()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-expires", 1000L));
        broker.Clock.Advance(TimeSpan.FromMilliseconds(1100));
        Assert.Same(queue, broker.Declare("q", ("x-expires", 1000L)));
        Assert.Same(queue, broker.Host.FindQueue("q", null).Value);
        broker.Advance(TimeSpan.FromMilliseconds(900));
        Assert.Same(queue, broker.Host.FindQueue("q", null).Value);
        broker.Advance(TimeSpan.FromMilliseconds(200));
        Assert.Equal(BrokerStatus.NotFound, broker.Host.FindQueue("q", null).Status);
    }

    [Theory]
    [InlineData(BrokerStatus.InUse)]
    [InlineData(BrokerStatus.NotEmpty)]
    public void A_condition_for_deleting_is_looked_at_when_the_queue_is_deleted(BrokerStatus expected)
    {
        using var broker = new TestBroker();
        var queue = (StoredQueue)broker.Declare("q");
        Task<BrokerResult<long>>? deletion = null;
        var deleter = new Thread(() => deletion = broker.Host.DeleteQueueAsync("q", ifUnused: expected == BrokerStatus.InUse, ifEmpty: expected == BrokerStatus.NotEmpty, null).AsTask());
        lock (queue.Gate)
        {
            deleter.Start();
            Assert.True(SpinWait.SpinUntil(() => deleter.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TimeSpan.FromSeconds(60)), "The deletion does not wait for the queue.");
            if (expected == BrokerStatus.InUse)
            {
                queue.AddConsumer(RecordingConsumer.Create());
            }
            else
            {
                broker.Publish("q", "a");
            }
        }

        deleter.Join();
        Assert.Equal(expected, broker.Run(new ValueTask<BrokerResult<long>>(deletion!)).Status);
        Assert.Same(queue, broker.Host.FindQueue("q", null).Value);
    }

    [Fact]
    public void A_stopped_broker_sets_no_timers_and_does_no_work()
    {
        using var broker = new TestBroker();
        int before = broker.Clock.TimerCount;
        broker.Declare("q", ("x-expires", 1000L), ("x-message-ttl", 500L));
        Assert.True(broker.Run(broker.Host.DeclareExchangeAsync(new ExchangeDefinition("d", "x-delayed-message", true, false, false, TestBroker.ToArguments(("x-delayed-type", "direct"))))).IsOk);
        broker.Publish("q", "a");
        Assert.True(broker.Clock.TimerCount > before);
        broker.Broker.Stop();
        broker.Publish("q", "b");
        broker.Declare("r", ("x-expires", 1000L));
        Assert.Equal(before, broker.Clock.TimerCount);
        broker.Advance(TimeSpan.FromHours(1));
        Assert.Equal(2, broker.Host.FindQueue("q", null).Value!.ReadyCount);
        broker.Restart();
        Assert.True(broker.Host.FindQueue("q", null).IsOk);
    }

    [Fact]
    public void A_single_active_consumer_hands_over_when_it_goes()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-single-active-consumer", true));
        RecordingConsumer first = RecordingConsumer.Create("1"), second = RecordingConsumer.Create("2");
        queue.AddConsumer(first);
        queue.AddConsumer(second);
        broker.Publish("q", "a", "b");
        Assert.Equal(["a", "b"], first.Bodies);
        queue.RemoveConsumer(first);
        broker.Publish("q", "c");
        Assert.Equal(["c"], second.Bodies);
        Assert.True(second.IsActive);
    }

    [Fact]
    public void An_exclusive_consumer_wants_to_be_alone()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        Assert.True(queue.AddConsumer(RecordingConsumer.Create("1", exclusive: true)).IsOk);
        Assert.Equal(BrokerStatus.ExclusiveUse, queue.AddConsumer(RecordingConsumer.Create("2")).Status);
    }

    [Fact]
    public void Deleting_a_queue_cancels_its_consumers_and_its_bindings()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        Assert.True(broker.Run(broker.Host.BindAsync("amq.fanout", DestinationKind.Queue, "q", "", Arguments.Empty, null)).IsOk);
        Assert.Equal(BrokerStatus.InUse, broker.Run(broker.Host.DeleteQueueAsync("q", ifUnused: true, ifEmpty: false, null)).Status);
        Assert.True(broker.Run(broker.Host.DeleteQueueAsync("q", false, false, null)).IsOk);
        Assert.True(consumer.WasCancelled);
        Assert.Empty(broker.Host.ListBindings());
    }

    [Fact]
    public void A_policy_takes_effect_on_queues_that_are_there_and_lets_go_again()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("logs.1");
        broker.Publish("logs.1", "a", "b", "c");
        var policy = new PolicyDefinition("short", "^logs", "queues", 1, TestBroker.ToArguments(("max-length", 1L)), false);
        Assert.True(broker.Run(broker.Host.SetPolicyAsync(policy)).IsOk);
        broker.Scheduler.RunAll();
        Assert.Equal(1, queue.ReadyCount);
        Assert.Equal("short", queue.Settings.Policy);
        broker.Restart();
        queue = broker.Host.FindQueue("logs.1", null).Value!;
        broker.Publish("logs.1", "d");
        Assert.Equal(1, queue.ReadyCount);
        Assert.True(broker.Run(broker.Host.DeletePolicyAsync("short", false)).IsOk);
        broker.Publish("logs.1", "e");
        Assert.Equal(2, queue.ReadyCount);
    }

    [Theory]
    [InlineData(StreamStartKind.First, 0, new[] { "a", "b", "c" })]
    [InlineData(StreamStartKind.Last, 0, new[] { "c" })]
    [InlineData(StreamStartKind.Next, 0, new string[0])]
    [InlineData(StreamStartKind.Offset, 1, new[] { "b", "c" })]
    [InlineData(StreamStartKind.Timestamp, 0, new[] { "a", "b", "c" })]
    [InlineData(StreamStartKind.Timestamp, long.MaxValue, new string[0])]
    public void A_stream_is_read_from_where_the_consumer_asks_and_keeps_its_messages(StreamStartKind kind, long value, string[] expected)
    {
        using var broker = new TestBroker();
        MessageQueue stream = broker.Declare("s", ("x-queue-type", "stream"));
        broker.Publish("s", "a", "b");
        broker.Publish("s", "c");
        RecordingConsumer consumer = RecordingConsumer.Create(start: new StreamStart(kind, value));
        Assert.True(stream.AddConsumer(consumer).IsOk);
        broker.Scheduler.RunAll();
        Assert.Equal(expected, consumer.Bodies);
        broker.Publish("s", "d");
        Assert.Equal([.. expected, "d"], consumer.Bodies);
        RecordingConsumer again = RecordingConsumer.Create(start: new StreamStart(StreamStartKind.First));
        stream.AddConsumer(again);
        Assert.Equal(["a", "b", "c", "d"], again.Bodies);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_consumer_of_a_stream_gets_only_what_a_kill_cannot_take_back(bool persistent)
    {
        using var broker = new TestBroker();
        MessageQueue stream = broker.Declare("s", ("x-queue-type", "stream"));
        RecordingConsumer consumer = RecordingConsumer.Create(start: new StreamStart(StreamStartKind.First));
        Assert.True(stream.AddConsumer(consumer).IsOk);
        using (PublishTurn turn = broker.Host.CreatePublishTurn())
        {
            turn.Publish(new MessageToPublish { RoutingKey = "s"u8, Body = "a"u8, Persistent = persistent }, 0);
            turn.Flush();
        }

        Assert.Empty(consumer.Bodies);
        while (consumer.Messages.Count == 0)
        {
            Assert.True(broker.Scheduler.RunOne(), "Nothing is left to do, and the consumer has nothing.");
        }

        broker.Crash(CrashKind.Process);
        RecordingConsumer again = RecordingConsumer.Create(start: new StreamStart(StreamStartKind.First));
        Assert.True(broker.Host.FindQueue("s", null).Value!.AddConsumer(again).IsOk);
        broker.Scheduler.RunAll();
        Assert.Equal(["a"], again.Bodies);
    }

    [Fact]
    public void An_exclusive_consumer_of_a_stream_is_alone()
    {
        using var broker = new TestBroker();
        MessageQueue stream = broker.Declare("s", ("x-queue-type", "stream"));
        RecordingConsumer alone = RecordingConsumer.Create(exclusive: true);
        Assert.True(stream.AddConsumer(alone).IsOk);
        Assert.Equal(BrokerStatus.ExclusiveUse, stream.AddConsumer(RecordingConsumer.Create()).Status);
        stream.RemoveConsumer(alone);
        Assert.True(stream.AddConsumer(RecordingConsumer.Create()).IsOk);
        Assert.Equal(BrokerStatus.ExclusiveUse, stream.AddConsumer(RecordingConsumer.Create(exclusive: true)).Status);
    }

    [Fact]
    public void Purge_drops_what_is_ready_and_leaves_what_is_out()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 1);
        queue.AddConsumer(consumer);
        broker.Publish("q", "a", "b", "c");
        Assert.Equal(2, queue.Purge());
        Assert.Equal((0, 1), (queue.ReadyCount, queue.UnsettledCount));
        consumer.Credit = 5;
        queue.Requeue([consumer.Messages[0].Id]);
        Assert.Equal(["a", "a"], consumer.Bodies);
    }

    [Fact]
    public void A_byte_limit_counts_bodies()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-max-length-bytes", 10L));
        broker.Publish("q", "12345", "12345", "12345");
        Assert.Equal(2, queue.ReadyCount);
    }
}
