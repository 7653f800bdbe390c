using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Tests.Queues;
using Sluice.Broker.Topics;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Shares;

/// <summary>Consumers that compete for a stream as a share group.</summary>
public sealed class ShareQueueTests : IDisposable
{
    private readonly TestBroker _broker = new();
    private readonly RecordingShareGroups _groups = new();

    public ShareQueueTests()
    {
        _broker.Broker.ShareGroups = _groups;
        _broker.Declare("s", ("x-queue-type", "stream"));
    }

    public void Dispose() => _broker.Dispose();

    [Fact]
    public void Only_what_is_a_topic_has_share_groups_and_only_where_somebody_keeps_them()
    {
        _broker.Declare("q");
        _broker.Declare("no topic", ("x-queue-type", "stream"));
        Assert.Equal(BrokerStatus.InvalidArgument, Open("q").Status);
        Assert.Equal(BrokerStatus.Unsupported, Open("no topic").Status);
        Assert.Equal(BrokerStatus.NotFound, Open("none").Status);
        _groups.Refusal = new BrokerResult(BrokerStatus.Differs, "why");
        Assert.Equal((BrokerStatus.Differs, "why"), (Open("s").Status, Open("s").Detail));
        _broker.Broker.ShareGroups = new RecordingShareGroups("another");
        Assert.Equal(BrokerStatus.Unsupported, Open("s").Status);
        _broker.Broker.ShareGroups = null;
        Assert.Equal(BrokerStatus.Unsupported, Open("s").Status);
    }

    [Fact]
    public void Consumers_take_turns_and_get_what_comes()
    {
        _broker.Publish("s", "a", "b");
        (MessageQueue queue, RecordingConsumer first) = Join(credit: 2);
        Assert.Equal(["a", "b"], first.Bodies);
        (MessageQueue same, RecordingConsumer second) = Join(credit: 2);
        Assert.Same(queue, same);
        first.Credit = 1;
        _broker.Publish("s", "c", "d", "e", "f");
        Assert.Equal(3, first.Messages.Count);
        Assert.Equal(2, second.Messages.Count);
        Assert.Equal((5, 2, 1), (queue.UnsettledCount, queue.ConsumerCount, _groups.Uses));
        second.Credit = 1;
        queue.Resume(second);
        Assert.Equal("f", second.Messages[^1].Body);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Consumers_get_only_what_a_kill_cannot_take_back(bool persistent)
    {
        (_, RecordingConsumer consumer) = Join();
        using (PublishTurn turn = _broker.Host.CreatePublishTurn())
        {
            turn.Publish(new MessageToPublish { RoutingKey = "s"u8, Body = "a"u8, Persistent = persistent }, 0);
            turn.Flush();
        }

        while (consumer.Messages.Count == 0)
        {
            Assert.True(_broker.Scheduler.RunOne(), "Nothing is left to do, and the consumer has nothing.");
        }

        _broker.Crash(CrashKind.Process);
        TopicPartition kept = _broker.Host.FindTopic("s")!.Partitions[0];
        Assert.Equal(1, kept.EndOffset);
    }

    [Fact]
    public void What_is_released_is_counted_and_delivered_before_what_is_new()
    {
        _broker.Publish("s", "a", "b", "c");
        (MessageQueue queue, RecordingConsumer consumer) = Join(credit: 2);
        consumer.Credit = 2;
        queue.Requeue([consumer.Messages[0].Id]);
        _broker.Scheduler.RunAll();
        Assert.Equal([("a", false, 0), ("b", false, 0), ("a", true, 1), ("c", false, 0)], consumer.Messages.Select(static one => (one.Body, one.Redelivered, one.DeliveryCount)));
        queue.Reject([consumer.Messages[0].Id]);
        queue.Settle([consumer.Messages[1].Id, consumer.Messages[3].Id]);
        Assert.Equal(3, _groups.Only.Cursor.StartOffset);
    }

    [Fact]
    public void Group_is_in_use_until_the_last_consumer_is_gone_and_all_is_settled()
    {
        _broker.Publish("s", "a");
        (MessageQueue queue, RecordingConsumer consumer) = Join();
        queue.RemoveConsumer(consumer);
        queue.RemoveConsumer(consumer);
        Assert.Equal((1, true), (_groups.Uses, queue.IsOpen));
        queue.Settle([Assert.Single(consumer.Messages).Id]);
        Assert.Equal((0, false, 0), (_groups.Uses, queue.IsOpen, _groups.Only.ListenerCount));
        (MessageQueue next, RecordingConsumer later) = Join();
        Assert.NotSame(queue, next);
        _broker.Publish("s", "b");
        Assert.Equal(["b"], later.Bodies);
    }

    [Fact]
    public void Consumer_that_is_refused_leaves_nothing_behind()
    {
        RecordingConsumer alone = RecordingConsumer.Create(exclusive: true);
        MessageQueue stream = _broker.Host.FindQueue("s", null).Value!;
        Assert.True(stream.AddConsumer(alone).IsOk);
        Assert.Equal(BrokerStatus.ExclusiveUse, Open("s").Value!.AddConsumer(RecordingConsumer.Create()).Status);
        Assert.Equal((0, 1), (_groups.Uses, stream.ConsumerCount));
        stream.RemoveConsumer(alone);
        (_, RecordingConsumer consumer) = Join();
        Assert.Same(consumer, Assert.Single(stream.Consumers));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Consumers_are_cancelled_when_what_they_read_is_gone(bool isStream)
    {
        _broker.Publish("s", "a");
        (MessageQueue queue, RecordingConsumer consumer) = Join();
        if (isStream)
        {
            Assert.True(_broker.Run(_broker.Host.DeleteQueueAsync("s", false, false, null)).IsOk);
        }
        else
        {
            _groups.Only.IsGone = true;
            _groups.Only.Notify();
        }

        _broker.Scheduler.RunAll();
        Assert.Equal((true, false, 0), (consumer.WasCancelled, queue.IsOpen, _groups.Uses));
        queue.Settle([consumer.Messages[0].Id]);
        queue.RemoveConsumer(consumer);
        Assert.Equal(0, _groups.Uses);
    }

    [Fact]
    public void Backlog_is_read_from_files_and_what_was_released_there_is_found_again()
    {
        string[] bodies = [.. Enumerable.Range(0, 1500).Select(static number => $"{number} {new string('x', 200)}")];
        foreach (string[] some in bodies.Chunk(50))
        {
            _broker.Publish("s", some);
        }

        (MessageQueue queue, RecordingConsumer consumer) = Join();
        Assert.Equal(bodies, consumer.Bodies);
        MessageId[] ids = [.. consumer.Messages.Select(static one => one.Id)];
        queue.Requeue([ids[3], ids[700], ids[1499]]);
        _broker.Scheduler.RunAll();
        Assert.Equal([bodies[3], bodies[700], bodies[1499]], consumer.Bodies.Skip(1500));
        queue.Settle(ids);
        Assert.Equal(1500, _groups.Only.Cursor.StartOffset);
        _broker.Publish("s", "new");
        Assert.Equal("new", consumer.Bodies.Last());
    }

    [Fact]
    public void Isolation_may_change_while_the_group_reads()
    {
        _broker.Publish("s", "a");
        (_, RecordingConsumer consumer) = Join();
        _groups.Only.ReadsCommitted = true;
        _broker.Publish("s", "b");
        _groups.Only.ReadsCommitted = false;
        _broker.Publish("s", "c");
        Assert.Equal(["a", "b", "c"], consumer.Bodies);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Partitions_that_a_topic_gets_are_read_by_those_who_are_there(bool isRefusedFirst)
    {
        Topic topic = _broker.Run(_broker.Host.CreateTopicAsync(new TopicDefinition("t", Guid.NewGuid(), new Dictionary<string, string>()), 1)).Value!;
        (MessageQueue queue, RecordingConsumer consumer) = Join("t");
        (MessageQueue single, RecordingConsumer other) = Join("t", group: "other");
        _broker.Publish("t", "0");
        _groups.Refusal = isRefusedFirst ? new BrokerResult(BrokerStatus.Unavailable, "for now") : BrokerResult.Ok;
        Assert.True(_broker.Run(_broker.Host.AddPartitionsAsync(topic, 2)).IsOk);
        Assert.Equal(isRefusedFirst ? 0 : 2, _broker.Host.FindQueue("t:1", null).Value!.ConsumerCount);
        _groups.Refusal = BrokerResult.Ok;
        Assert.True(_broker.Run(_broker.Host.AddPartitionsAsync(topic, 4)).IsOk);
        for (int turn = 1; turn < 5; turn++)
        {
            _broker.Publish("t", $"{turn}");
        }

        Assert.Equal(["0", "1", "2", "3", "4"], consumer.Bodies.Order());
        Assert.Equal(["0", "1", "2", "3", "4"], other.Bodies.Order());
        Assert.Equal((5, 2), (queue.UnsettledCount, _groups.Uses));

        // Who comes now competes with them, for all partitions.
        (MessageQueue same, RecordingConsumer late) = Join("t");
        Assert.Same(queue, same);
        queue.Requeue([.. consumer.Messages.Select(static one => one.Id)]);
        _broker.Scheduler.RunAll();
        Assert.InRange(late.Messages.Count, 1, 4);
        queue.Settle([.. consumer.Messages.Skip(5).Concat(late.Messages).Select(static one => one.Id)]);
        queue.RemoveConsumer(consumer);
        queue.RemoveConsumer(late);
        single.Settle([.. other.Messages.Select(static one => one.Id)]);
        single.RemoveConsumer(other);
        Assert.Equal((0, false, false), (_groups.Uses, queue.IsOpen, single.IsOpen));
        Assert.All(topic.Partitions, partition => Assert.Empty(_broker.Host.FindQueue(partition.Index == 0 ? "t" : $"t:{partition.Index}", null).Value!.Consumers));
    }

    [Fact]
    public void Reader_who_has_a_new_partition_alone_ends_the_groups_reading()
    {
        Topic topic = _broker.Run(_broker.Host.CreateTopicAsync(new TopicDefinition("t", Guid.NewGuid(), new Dictionary<string, string>()), 2)).Value!;
        (_, RecordingConsumer consumer) = Join("t");
        _groups.Refusal = new BrokerResult(BrokerStatus.Unavailable, "for now");
        Assert.True(_broker.Run(_broker.Host.AddPartitionsAsync(topic, 3)).IsOk);
        Assert.Equal(BrokerStatus.Unavailable, Open("t").Status);
        Assert.True(_broker.Host.FindQueue("t:2", null).Value!.AddConsumer(RecordingConsumer.Create(exclusive: true)).IsOk);
        _groups.Refusal = BrokerResult.Ok;
        Assert.Equal(BrokerStatus.ExclusiveUse, Open("t").Value!.AddConsumer(RecordingConsumer.Create()).Status);
        _broker.Scheduler.RunAll();
        Assert.Equal((true, 0), (consumer.WasCancelled, _groups.Uses));
    }

    private BrokerResult<MessageQueue> Open(string name, string group = "group") => _broker.Run(_broker.Host.OpenShareAsync(name, group, start: null, owner: this));

    private (MessageQueue Queue, RecordingConsumer Consumer) Join(string name = "s", int credit = int.MaxValue, string group = "group")
    {
        MessageQueue queue = Open(name, group).Value!;
        RecordingConsumer consumer = RecordingConsumer.Create(credit: credit);
        Assert.True(queue.AddConsumer(consumer).IsOk);
        queue.Resume(consumer);
        _broker.Scheduler.RunAll();
        return (queue, consumer);
    }
}
