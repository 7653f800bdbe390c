using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

/// <summary>x-dead-letter-strategy at-least-once, and how much of what waits to be dead-lettered is in memory.</summary>
public sealed class DeadLetterStrategyTests
{
    [Fact]
    public void A_letter_refused_by_a_full_queue_stays_until_there_is_room()
    {
        using var broker = new TestBroker();
        MessageQueue dead = broker.Declare("dead", ("x-max-length", 1L), ("x-overflow", "reject-publish"));
        MessageQueue source = DeclareSource(broker, "dead");
        RejectAll(broker, source, "a", "b", "c");
        Assert.Equal((1, 2), (dead.ReadyCount, source.UnsettledCount));
        RecordingConsumer consumer = RecordingConsumer.Create(autoSettle: true);
        dead.AddConsumer(consumer);
        for (int i = 0; i < 3; i++)
        {
            broker.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(["a", "b", "c"], consumer.Bodies);
        Assert.Equal(0, source.UnsettledCount);
    }

    [Fact]
    public void An_unroutable_letter_stays_until_it_can_be_routed()
    {
        using var broker = new TestBroker();
        MessageQueue source = DeclareSource(broker, "dead");
        RejectAll(broker, source, "a");
        broker.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal((0, 1), (source.ReadyCount, source.UnsettledCount));
        MessageQueue dead = broker.Declare("dead");
        broker.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 0), (dead.ReadyCount, source.UnsettledCount));
    }

    [Fact]
    public void A_letter_goes_to_all_its_queues_or_stays()
    {
        using var broker = new TestBroker();
        MessageQueue open = broker.Declare("open"), full = broker.Declare("full", ("x-max-length", 1L), ("x-overflow", "reject-publish"));
        foreach (string name in new[] { "open", "full" })
        {
            Assert.True(broker.Run(broker.Host.BindAsync("amq.fanout", DestinationKind.Queue, name, "", Arguments.Empty, null)).IsOk);
        }

        MessageQueue source = broker.Declare("source", [.. Strategy, ("x-dead-letter-exchange", "amq.fanout")]);
        broker.Publish("full", "first");
        RejectAll(broker, source, "a");
        Assert.Equal((0, 1), (open.ReadyCount, source.UnsettledCount));
        full.Purge();
        broker.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((1, 1, 0), (open.ReadyCount, full.ReadyCount, source.UnsettledCount));
    }

    [Fact]
    public void Letters_that_stay_do_not_hold_up_others_and_count_for_the_length_limit()
    {
        using var broker = new TestBroker();
        MessageQueue open = broker.Declare("open");
        MessageQueue source = broker.Declare("source", [.. Strategy, ("x-dead-letter-exchange", "amq.direct"), ("x-max-length", 3L)]);
        Assert.True(broker.Run(broker.Host.BindAsync("amq.direct", DestinationKind.Queue, "open", "good", Arguments.Empty, null)).IsOk);
        foreach (string key in new[] { "good", "bad" })
        {
            Assert.True(broker.Run(broker.Host.BindAsync("amq.topic", DestinationKind.Queue, "source", key, Arguments.Empty, null)).IsOk);
        }

        RecordingConsumer consumer = RecordingConsumer.Create();
        source.AddConsumer(consumer);
        broker.PublishTo("amq.topic", "bad", new TestBroker.Body("1"), new TestBroker.Body("2"));
        broker.PublishTo("amq.topic", "good", new TestBroker.Body("3"));
        source.Reject([.. consumer.Messages.Select(message => message.Id)]);
        broker.Scheduler.RunAll();
        Assert.Equal((1, 2), (open.ReadyCount, source.UnsettledCount));
        source.RemoveConsumer(consumer);
        Assert.Null(broker.Publish("source", "fits").Rejected);
        Assert.NotNull(broker.Publish("source", "does not").Rejected);
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_crash_gives_back_what_no_queue_has_taken(CrashKind crash)
    {
        for (int steps = 0; steps < 12; steps++)
        {
            using var broker = new TestBroker();
            broker.Declare("dead", ("x-max-length", 2L), ("x-overflow", "reject-publish"));
            MessageQueue source = DeclareSource(broker, "dead");
            RecordingConsumer consumer = RecordingConsumer.Create();
            source.AddConsumer(consumer);
            broker.Publish("source", "a", "b", "c");
            source.Reject([.. consumer.Messages.Select(message => message.Id)]);
            for (int i = 0; i < steps; i++)
            {
                broker.Scheduler.RunOne();
            }

            broker.Crash(crash);
            broker.Scheduler.RunAll();
            Assert.Equal(3, broker.Host.FindQueue("source", null).Value!.ReadyCount + broker.Host.FindQueue("dead", null).Value!.ReadyCount);
        }
    }

    [Fact]
    public void Without_reject_publish_dead_lettering_is_at_most_once_as_in_RabbitMQ()
    {
        using var broker = new TestBroker();
        MessageQueue source = broker.Declare("source", ("x-queue-type", "quorum"), ("x-dead-letter-strategy", "at-least-once"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "nowhere"));
        RejectAll(broker, source, "a");
        Assert.Equal((0, 0), (source.ReadyCount, source.UnsettledCount));
    }

    [Fact]
    public void Giving_up_the_strategy_by_policy_lets_go_of_what_waits()
    {
        using var broker = new TestBroker();
        MessageQueue source = broker.Declare("source", ("x-queue-type", "quorum"), ("x-overflow", "reject-publish"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "nowhere"));
        var settings = TestBroker.ToArguments(("dead-letter-strategy", "at-least-once"));
        Assert.True(broker.Run(broker.Host.SetPolicyAsync(new PolicyDefinition("p", ".*", "queues", 0, settings, false))).IsOk);
        RejectAll(broker, source, "a");
        Assert.Equal(1, source.UnsettledCount);
        Assert.True(broker.Run(broker.Host.DeletePolicyAsync("p", false)).IsOk);
        broker.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, source.UnsettledCount);
    }

    [Fact]
    public void More_letters_than_are_tried_at_once_all_arrive()
    {
        const int Count = 1000;
        using var broker = new TestBroker();
        MessageQueue source = DeclareSource(broker, "dead");
        RejectAll(broker, source, [.. Enumerable.Range(0, Count).Select(i => $"{i}")]);
        broker.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(Count, source.UnsettledCount);
        MessageQueue dead = broker.Declare("dead");
        broker.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((Count, 0), (dead.ReadyCount, source.UnsettledCount));
    }

    [Fact]
    public void Refused_messages_are_dead_lettered_before_the_flush_ends_so_that_none_wait_in_memory()
    {
        using var broker = new TestBroker();
        MessageQueue dead = broker.Declare("dead");
        broker.Declare("second", ("x-max-length", 1L), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"));
        broker.Declare("first", ("x-max-length", 1L), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "second"));
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        for (int i = 0; i < 5; i++)
        {
            turn.Publish(new MessageToPublish { RoutingKey = "first"u8, Body = "m"u8 }, (ulong)i);
        }

        Assert.Equal([1ul, 2ul, 3ul, 4ul], turn.Flush().Rejected);
        Assert.Equal(3, dead.ReadyCount);
    }

    [Fact]
    public void What_waits_to_be_dead_lettered_is_ranges_not_messages()
    {
        const int Count = 20_000;
        using var broker = new TestBroker();
        var queue = (CompetingQueue)broker.Declare("q");
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        broker.Publish("q", [.. Enumerable.Range(0, Count).Select(i => $"{i}")]);
        var ranges = new DeadRanges(queue);
        MessageId[] ids = [.. consumer.Messages.Select(message => message.Id)];
        int most = 0;
        for (int i = 0; i < Count; i++)
        {
            if (i % 3 == 0)
            {
                queue.Settle([ids[i]]);
            }
            else if (i % 10 != 0)
            {
                ranges.Add(ids[i], i < Count / 2 ? DeathReason.Rejected : DeathReason.DeliveryLimit);
            }
            else if (i > 100)
            {
                // Delivered for a while, as to a slow consumer.
                queue.Settle([ids[i - 100]]);
            }

            most = Math.Max(most, ranges.Count);
        }

        Assert.InRange(most, 1, 2_500);
        var taken = new List<(MessageId Id, DeathReason Reason)>();
        ranges.TakeTo(taken, Count);
        Assert.Equal(
            Enumerable.Range(0, Count).Where(i => i % 3 != 0 && i % 10 != 0).Select(i => (ids[i], i < Count / 2 ? DeathReason.Rejected : DeathReason.DeliveryLimit)),
            taken.OrderBy(one => one.Id.Offset));
        Assert.Equal(0, ranges.Count);
    }

    private static (string, object?)[] Strategy { get; } = [("x-queue-type", "quorum"), ("x-dead-letter-strategy", "at-least-once"), ("x-overflow", "reject-publish")];

    private static MessageQueue DeclareSource(TestBroker broker, string target) =>
        broker.Declare("source", [.. Strategy, ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", target)]);

    private static void RejectAll(TestBroker broker, MessageQueue queue, params string[] bodies)
    {
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        broker.Publish("source", bodies);
        queue.Reject([.. consumer.Messages.Select(message => message.Id)]);
        broker.Scheduler.RunAll();
    }
}
