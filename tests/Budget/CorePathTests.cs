using System.Text;
using Sluice.Broker;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Xunit;

namespace Sluice.Budget;

/// <summary>
/// Publish, route, append, deliver and acknowledge allocate nothing per message once everything is warm. Counted over all threads of the process,
/// so that storage's own threads are in it. A pool that grows to a new peak costs one round, not all of them: the best round counts, since what is made for each message is made in every round.
/// </summary>
public sealed class CorePathTests
{
    private const int TurnMessages = 100;
    private const int WarmUpTurns = 1500;
    private const int Turns = 1000;
    private const int RoundsMax = 5;

    private const long JournalBacklogBytesMax = 1 << 20;

    /// <summary>Below one byte a message nothing can be made for each message.</summary>
    private const double BytesPerMessageMax = 1.0;

    [Theory]
    [InlineData(false, true, 16)]
    [InlineData(false, false, 16)]
    [InlineData(true, false, 16)]
    [InlineData(true, false, 1000)]
    public async Task One_queue_by_the_default_exchange(bool persistent, bool autoSettle, int bodyBytes)
    {
        using TemporaryBroker broker = new();
        MessageQueue queue = await broker.DeclareAsync("q");
        AssertNothing(broker, "", "q", persistent, autoSettle, bodyBytes, queue);
    }

    [Fact]
    public async Task A_queue_with_limits_and_time_to_live()
    {
        using TemporaryBroker broker = new();
        MessageQueue queue = await broker.DeclareAsync("q", ("x-message-ttl", 60_000L), ("x-max-length", 1_000_000L));
        AssertNothing(broker, "", "q", persistent: true, autoSettle: false, bodyBytes: 100, queue);
    }

    [Fact]
    public async Task A_queue_that_has_not_room_for_a_turn_but_consumers_that_take_it()
    {
        using TemporaryBroker broker = new();
        MessageQueue queue = await broker.DeclareAsync("q", ("x-max-length", 10L), ("x-overflow", "reject-publish"));
        AssertNothing(broker, "", "q", persistent: true, autoSettle: false, bodyBytes: 100, queue);
    }

    [Fact]
    public async Task A_queue_with_priorities()
    {
        using TemporaryBroker broker = new();
        MessageQueue queue = await broker.DeclareAsync("q", ("x-max-priority", 5L));
        AssertNothing(broker, "", "q", persistent: true, autoSettle: false, bodyBytes: 100, queue);
    }

    [Theory]
    [InlineData("amq.direct", "key")]
    [InlineData("amq.fanout", "")]
    [InlineData("amq.topic", "key")]
    public async Task Three_queues_by_an_exchange(string exchange, string bindingKey)
    {
        using TemporaryBroker broker = new();
        MessageQueue[] queues = new MessageQueue[3];
        for (int i = 0; i < queues.Length; i++)
        {
            queues[i] = await broker.DeclareAsync($"q{i}");
            await broker.BindAsync(exchange, $"q{i}", bindingKey);
        }

        AssertNothing(broker, exchange, "key", persistent: true, autoSettle: false, bodyBytes: 100, queues);
    }

    [Theory]
    [InlineData("", "t")]
    [InlineData("amq.topic", "key")]
    public async Task A_topic_of_several_partitions(string exchange, string routingKey)
    {
        using TemporaryBroker broker = new();
        await broker.Host.CreateTopicAsync(new TopicDefinition("t", Guid.NewGuid(), new Dictionary<string, string>()), partitions: 4);
        MessageQueue queue = await broker.DeclareAsync("q");
        await broker.BindAsync("amq.topic", "t", "key");
        await broker.BindAsync("amq.topic", "q", "#");
        AssertNothing(broker, exchange, routingKey, persistent: true, autoSettle: false, bodyBytes: 100, exchange.Length == 0 ? [] : [queue]);
    }

    [Fact]
    public async Task One_object_a_message_would_be_seen()
    {
        using TemporaryBroker broker = new();
        MessageQueue queue = await broker.DeclareAsync("q");
        CollectingConsumer wasteful = new(TurnMessages * 4) { Tag = "c", Description = "test", Owner = queue, IsWasteful = true };
        double least = Measure(broker, "", "q", persistent: false, bodyBytes: 16, [queue], [wasteful], out _);
        Assert.True(least >= 24, $"{least:0.00} bytes a message were counted where an object was made for each.");
    }

    private static void AssertNothing(TemporaryBroker broker, string exchange, string routingKey, bool persistent, bool autoSettle, int bodyBytes, params MessageQueue[] queues)
    {
        CollectingConsumer[] consumers = [.. queues.Select(_ => new CollectingConsumer(TurnMessages * 4) { Tag = "c", AutoSettle = autoSettle, Description = "test", Owner = queues })];
        double least = Measure(broker, exchange, routingKey, persistent, bodyBytes, queues, consumers, out string sampled);
        Assert.True(least < BytesPerMessageMax, $"{least:0.00} bytes were allocated for each message; the budget is 0. Sampled: {sampled}");
    }

    /// <summary>Bytes allocated per message in the best of some rounds, and what a sampler saw if they were too many.</summary>
    private static double Measure(
        TemporaryBroker broker, string exchange, string routingKey, bool persistent, int bodyBytes, MessageQueue[] queues, CollectingConsumer[] consumers, out string sampled)
    {
        for (int i = 0; i < queues.Length; i++)
        {
            Assert.True(queues[i].AddConsumer(consumers[i]).IsOk);
        }

        MessageId[] scratch = new MessageId[TurnMessages * 4];
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        Run run = new(broker.Store, turn, queues, consumers, scratch, Encoding.UTF8.GetBytes(exchange), Encoding.UTF8.GetBytes(routingKey), new byte[bodyBytes], persistent);
        run.Publish(WarmUpTurns);
        double least = double.MaxValue;
        for (int round = 0; round < RoundsMax && least >= BytesPerMessageMax; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            run.Publish(Turns);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)(Turns * TurnMessages));
        }

        sampled = "";
        if (least >= BytesPerMessageMax)
        {
            // Once more with a sampler, which allocates itself, to name what is made.
            using AllocationSampler sampler = new();
            sampler.Start();
            run.Publish(Turns);
            sampled = sampler.Stop();
        }

        Assert.All(consumers, consumer => Assert.Equal(run.Published, consumer.Taken));
        return least;
    }

    private sealed record Run(LogStore Store, PublishTurn Turn, MessageQueue[] Queues, CollectingConsumer[] Consumers, MessageId[] Scratch, byte[] Exchange, byte[] RoutingKey, byte[] Body, bool Persistent)
    {
        /// <summary>Messages published in all.</summary>
        public long Published { get; private set; }

        /// <summary>Publishes turns; after each waits until its messages have been delivered, and acknowledges them.</summary>
        public void Publish(int turns)
        {
            for (int i = 0; i < turns; i++)
            {
                for (int n = 0; n < TurnMessages; n++)
                {
                    PublishOutcome outcome = Turn.Publish(
                        new MessageToPublish { Exchange = Exchange, RoutingKey = RoutingKey, Format = PropertiesFormat.Amqp091, Properties = "\0\0"u8, Body = Body, Persistent = Persistent, Confirmed = Persistent, Priority = (byte)(n % 5) },
                        (ulong)n);
                    if (outcome != PublishOutcome.Routed)
                    {
                        throw new InvalidOperationException($"Message not routed: {outcome}");
                    }
                }

                TurnResult result = Turn.Flush();
                if (result.Failure is not null || result.Rejected is not null)
                {
                    throw new InvalidOperationException("Message not kept.", result.Failure);
                }

                Published += TurnMessages;
                for (int q = 0; q < Queues.Length; q++)
                {
                    AwaitDelivery(q);
                }

                // As a connection does: never far ahead of the journal, whose buffers would grow without end.
                while (Store.JournalBacklogBytes > JournalBacklogBytesMax)
                {
                    Thread.Sleep(0);
                }
            }
        }

        private void AwaitDelivery(int q)
        {
            long deadline = Environment.TickCount64 + 30_000;
            SpinWait spin = default;
            while (Consumers[q].Taken < Published)
            {
                Consumers[q].Acknowledge(Queues[q], Scratch);
                spin.SpinOnce(sleep1Threshold: -1);
                if (Environment.TickCount64 > deadline)
                {
                    throw new TimeoutException($"Only {Consumers[q].Taken} of {Published} messages were delivered.");
                }
            }

            Consumers[q].Acknowledge(Queues[q], Scratch);
        }
    }
}
