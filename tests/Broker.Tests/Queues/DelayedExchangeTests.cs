using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Queues;

public sealed class DelayedExchangeTests
{
    [Fact]
    public void A_delayed_message_arrives_when_its_time_has_come_also_after_a_power_loss()
    {
        using var broker = new TestBroker();
        MessageQueue queue = DeclareDelayed(broker);
        using (PublishTurn turn = broker.Host.CreatePublishTurn())
        {
            Assert.Equal(PublishOutcome.Routed, Publish(turn, "soon", 5_000));
            Assert.Equal(PublishOutcome.Routed, Publish(turn, "in a year", 365L * 86_400_000));
            Assert.Equal(PublishOutcome.Routed, Publish(turn, "now", 0));
            Assert.Equal(PublishOutcome.InvalidDelay, Publish(turn, "never", long.MaxValue / 2));
            turn.Flush();
        }

        broker.Scheduler.RunAll();
        Assert.Equal(1, queue.ReadyCount);
        broker.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(1, queue.ReadyCount);
        broker.Crash(CrashKind.Power);
        broker.Advance(TimeSpan.FromSeconds(2));
        queue = broker.Host.FindQueue("q", null).Value!;
        Assert.Equal(2, queue.ReadyCount);
        broker.Advance(TimeSpan.FromDays(366));
        RecordingConsumer consumer = RecordingConsumer.Create();
        queue.AddConsumer(consumer);
        broker.Scheduler.RunAll();
        Assert.Equal(["now", "soon", "in a year"], consumer.Bodies);
        Assert.All(consumer.Messages, message => Assert.Equal("later", message.Exchange));
    }

    [Fact]
    public void In_a_transaction_the_delay_is_kept_with_the_commit_only()
    {
        using var broker = new TestBroker();
        MessageQueue queue = DeclareDelayed(broker);
        using PublishTurn transaction = broker.Host.CreateTransaction();
        Publish(transaction, "rolled back", 10);
        transaction.Clear();
        Publish(transaction, "committed", 10);
        Assert.Null(transaction.Commit([]).Failure);
        broker.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, queue.ReadyCount);
    }

    private static MessageQueue DeclareDelayed(TestBroker broker)
    {
        MessageQueue queue = broker.Declare("q");
        broker.DeclareDelayed("later", "q");
        return queue;
    }

    private static PublishOutcome Publish(PublishTurn turn, string body, long delayMs) => turn.Publish(
        new MessageToPublish { Exchange = "later"u8, RoutingKey = "k"u8, Body = Encoding.UTF8.GetBytes(body), Persistent = true, Confirmed = true, DelayMs = delayMs }, 0);
}
