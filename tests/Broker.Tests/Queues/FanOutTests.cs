using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Tests.Queues;

/// <summary>Messages to more queues than a turn holds at once, and to more bytes.</summary>
public sealed class FanOutTests
{
    private const int Queues = 2500;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_message_reaches_each_of_many_queues_once(bool isTransaction)
    {
        using var broker = new TestBroker();
        List<MessageQueue> queues = Declare(broker);
        MessageQueue full = broker.Declare("full", ("x-max-length", 1L), ("x-overflow", "reject-publish"));
        if (!isTransaction)
        {
            Bind(broker, "full");
        }

        using PublishTurn turn = isTransaction ? broker.Host.CreateTransaction() : broker.Host.CreatePublishTurn();
        for (int round = 0; round < 2; round++)
        {
            for (ulong i = 0; i < 3; i++)
            {
                Assert.Equal(PublishOutcome.Routed, turn.Publish(new MessageToPublish { Exchange = "amq.fanout"u8, Body = "m"u8 }, i));
            }

            TurnResult result = isTransaction ? turn.Commit([]) : turn.Flush();
            Assert.Equal(isTransaction ? [] : round == 0 ? [1ul, 2ul] : new[] { 0ul, 1ul, 2ul }, result.Rejected ?? []);
        }

        Assert.All(queues, queue => Assert.Equal(6, queue.ReadyCount));
        Assert.Equal(isTransaction ? 0 : 1, full.ReadyCount);
    }

    [Fact]
    public void Copies_of_a_large_message_are_not_all_in_memory_before_the_first_is_appended()
    {
        using var broker = new TestBroker();
        for (int i = 0; i < 20; i++)
        {
            broker.Declare($"q{i}");
            Bind(broker, $"q{i}");
        }

        using PublishTurn turn = broker.Host.CreatePublishTurn();
        turn.Publish(new MessageToPublish { Exchange = "amq.fanout"u8, Body = new byte[2 << 20] }, 0);
        Assert.InRange(broker.Host.ListQueues().Count(queue => queue.ReadyCount == 1), 8, 19);
        turn.Flush();
        Assert.All(broker.Host.ListQueues(), queue => Assert.Equal(1, queue.ReadyCount));
    }

    [Fact]
    public void A_queue_named_by_several_keys_gets_one_copy()
    {
        using var broker = new TestBroker();
        MessageQueue queue = broker.Declare("q"), other = broker.Declare("other");
        using PublishTurn turn = broker.Host.CreatePublishTurn();
        turn.Publish(new MessageToPublish { RoutingKey = "q"u8, ExtraRoutingKeys = [.. new[] { "other", "q", "other", "none" }.Select(Encoding.UTF8.GetBytes)], Body = "m"u8 }, 0);
        turn.Flush();
        Assert.Equal((1, 1), (queue.ReadyCount, other.ReadyCount));
    }

    private static List<MessageQueue> Declare(TestBroker broker)
    {
        var queues = new List<MessageQueue>();
        for (int i = 0; i < Queues; i++)
        {
            queues.Add(broker.Declare(new QueueDefinition($"q{i}", false, false, false, Arguments.Empty)));
            Bind(broker, $"q{i}");
        }

        return queues;
    }

    private static void Bind(TestBroker broker, string queue) =>
        Assert.True(broker.Run(broker.Host.BindAsync("amq.fanout", DestinationKind.Queue, queue, "", Arguments.Empty, null)).IsOk);
}
