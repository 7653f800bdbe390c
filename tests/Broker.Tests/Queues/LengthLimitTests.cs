using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class LengthLimitTests
{
    private static readonly string s_hundred = new('x', 100);

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_byte_limit_counts_bodies_alone_after_a_restart_too(CrashKind crash)
    {
        using var broker = new TestBroker();
        broker.Declare("q", ("x-max-length-bytes", 1000L));
        for (int i = 0; i < 9; i++)
        {
            broker.Publish("q", s_hundred);
        }

        broker.Crash(crash);
        MessageQueue queue = broker.Host.FindQueue("q", null).Value!;
        broker.Publish("q", s_hundred);
        Assert.Equal(10, queue.ReadyCount);
        broker.Publish("q", s_hundred);
        Assert.Equal(10, queue.ReadyCount);
    }

    [Fact]
    public void A_byte_limit_counts_bodies_alone_after_policies_changed()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        for (int i = 0; i < 9; i++)
        {
            broker.Publish("q", s_hundred);
        }

        Set(broker, ("max-length-bytes", 1000L));
        Assert.Equal(9, queue.ReadyCount);
        Set(broker, ("max-length-bytes", 1000L), ("max-length", 100L));
        broker.Publish("q", s_hundred);
        Assert.Equal(10, queue.ReadyCount);
        Set(broker, ("max-length-bytes", 950L));
        Assert.Equal(9, queue.ReadyCount);
    }

    [Fact]
    public void Neither_priorities_nor_drops_make_the_count_of_bytes_drift()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q", ("x-max-length-bytes", 1000L), ("x-max-priority", 3L));
        for (int i = 0; i < 50; i++)
        {
            broker.PublishTo("", "q", new TestBroker.Body(s_hundred, Priority: (byte)(i % 4)));
            Assert.Equal(Math.Min(i + 1, 10), queue.ReadyCount);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void No_message_is_refused_that_fits_while_the_bytes_are_being_counted_and_the_count_ends_exact(int seed)
    {
        using var broker = new TestBroker();
        var random = new Random(seed);
        MessageQueue queue = broker.Declare("q", ("x-max-priority", 2L));
        RecordingConsumer consumer = RecordingConsumer.Create(credit: 0);
        queue.AddConsumer(consumer);
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        long published = 0;
        bool Publish(int length)
        {
            turn.Publish(
                new MessageToPublish { RoutingKey = "q"u8, Body = Encoding.UTF8.GetBytes(new string('x', length)), Persistent = true, Confirmed = true, Priority = (byte)random.Next(3) },
                0);
            bool isTaken = turn.Flush().Rejected is null;
            published += isTaken ? length : 0;
            return isTaken;
        }

        // Settled and out, each with its length.
        long settled = 0;
        List<RecordingConsumer.Received> Out() => consumer.Messages;
        long Ready() => published - settled - Out().Sum(message => message.Body.Length);
        void Change()
        {
            switch (random.Next(4))
            {
                case 0:
                    consumer.Credit = random.Next(1, 40);
                    queue.Resume(consumer);
                    break;
                case 1 when Out().Count > 0:
                    RecordingConsumer.Received[] back = [.. Out().Where(_ => random.Next(2) == 0)];
                    Out().RemoveAll(back.Contains);
                    consumer.Credit = 0;
                    queue.Requeue([.. back.Select(message => message.Id)]);
                    break;
                case 2 when Out().Count > 0:
                    RecordingConsumer.Received gone = Out()[random.Next(Out().Count)];
                    Out().Remove(gone);
                    settled += gone.Body.Length;
                    queue.Settle([gone.Id]);
                    break;
                default:
                    broker.Scheduler.RunOne();
                    break;
            }
        }

        for (int i = 0; i < 1500; i++)
        {
            Assert.True(Publish(random.Next(400)));
            if (random.Next(20) == 0)
            {
                Change();
            }
        }

        broker.Scheduler.RunAll();
        long limit = Ready() + 5000;
        Task<BrokerResult<PolicyChange>> policy = broker.Host.SetPolicyAsync(Policy(("max-length-bytes", limit), ("overflow", "reject-publish"))).AsTask();
        for (int i = 0; i < 400; i++)
        {
            Change();
            int length = random.Next(400);
            bool fits = Ready() + length <= limit;
            Assert.True(Publish(length) || !fits, "A message was refused that fits.");
        }

        broker.Run(new ValueTask<BrokerResult<PolicyChange>>(policy));
        broker.Scheduler.RunAll();
        for (int i = 0; i < 400; i++)
        {
            Change();
            broker.Scheduler.RunAll();
            int length = random.Next(400);
            bool fits = Ready() + length <= limit;
            Assert.Equal(fits, Publish(length));
        }
    }

    [Theory]
    [InlineData(int.MaxValue, 1000, 0)]
    [InlineData(25, 25, 10)]
    [InlineData(0, 0, 10)]
    public void What_waiting_consumers_take_of_a_turn_makes_room_for_the_rest_of_it(int credit, int delivered, int ready)
    {
        using var broker = new TestBroker();
        broker.Declare("dead");
        MessageQueue queue = broker.Declare("q", ("x-max-length", 10L), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead"));
        RecordingConsumer consumer = RecordingConsumer.Create(credit: credit);
        queue.AddConsumer(consumer);
        string[] bodies = [.. Enumerable.Range(0, 1000).Select(i => i.ToString())];
        IReadOnlyList<ulong> rejected = broker.Publish("q", bodies).Rejected ?? [];
        Assert.Equal(bodies.Take(delivered), consumer.Bodies);
        Assert.Equal((ready, delivered), (queue.ReadyCount, queue.UnsettledCount));
        Assert.Equal(Enumerable.Range(0, 1000).Skip(delivered + ready).Select(i => (ulong)i), rejected);
        Assert.Equal(rejected.Count, broker.Host.FindQueue("dead", null).Value!.ReadyCount);
    }

    [Fact]
    public void A_turn_that_was_begun_before_the_queue_got_its_limit_is_taken_whole()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q");
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        turn.Publish(new MessageToPublish { RoutingKey = "q"u8, Body = "a"u8 }, 1);
        Set(broker, ("max-length", 0L), ("overflow", "reject-publish"));
        turn.Publish(new MessageToPublish { RoutingKey = "q"u8, Body = "b"u8 }, 2);
        Assert.Null(turn.Flush().Rejected);
        Assert.Equal(2, queue.ReadyCount);
    }

    private static void Set(TestBroker broker, params (string, object?)[] values)
    {
        Assert.True(broker.Run(broker.Host.SetPolicyAsync(Policy(values))).IsOk);
        broker.Scheduler.RunAll();
    }

    private static PolicyDefinition Policy(params (string, object?)[] values) => new("limit", ".*", "queues", 1, TestBroker.ToArguments(values), false);
}
