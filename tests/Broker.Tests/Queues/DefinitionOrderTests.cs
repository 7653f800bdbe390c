using Sluice.Broker.Definitions;

namespace Sluice.Broker.Tests.Queues;

public sealed class DefinitionOrderTests
{
    private const int Rounds = 1000;

    /// <summary>A message may be confirmed as soon as its queue can be found; the queue's definition must come before it in the journal, or a power loss leaves a message without a queue.</summary>
    [Fact]
    public void A_name_is_in_the_journal_before_it_can_be_found()
    {
        using var broker = new TestBroker();
        var told = new List<(string Key, bool IsFound)>();
        using IDisposable watch = broker.Store.Metadata.Watch("", change => told.Add((change.Key, IsFound(broker, change.Key))));
        broker.Declare("q");
        Assert.True(broker.Run(broker.Host.DeclareExchangeAsync(new ExchangeDefinition("x", "direct", true, false, false, Arguments.Empty))).IsOk);
        Assert.True(broker.Run(broker.Broker.CreateVirtualHostAsync("h")).IsOk);
        Assert.Equal([(MetadataKeys.Queue("/", "q"), false), (MetadataKeys.Exchange("/", "x"), false), (MetadataKeys.VirtualHost("h"), false)], told);
        Assert.All(told, change => Assert.True(IsFound(broker, change.Key)));
    }

    [Fact]
    public void Changes_of_two_connections_are_kept_in_the_order_in_which_they_took_effect()
    {
        using var broker = new TestBroker();
        AtOnce(
            round => _ = broker.Host.SetPolicyAsync(Policy(1)).AsTask(),
            round => _ = broker.Host.SetPolicyAsync(Policy(2)).AsTask(),
            round =>
            {
                int kept = DefinitionCodec.DecodePolicy(broker.Store.Metadata.Get(MetadataKeys.Policy("/", "p", false))!.Value).Priority;
                Assert.Equal(Assert.Single(broker.Host.ListPolicies()).Priority, kept);
            });
    }

    [Fact]
    public void A_queue_declared_while_it_is_deleted_is_there_after_a_restart_if_it_is_there_before()
    {
        using var broker = new TestBroker();
        AtOnce(
            round => _ = broker.Host.DeclareQueueAsync(new QueueDefinition("q", true, false, false, Arguments.Empty), null).AsTask(),
            round => _ = broker.Host.DeleteQueueAsync("q", false, false, null).AsTask(),
            round => Assert.Equal(broker.Host.FindQueue("q", null).IsOk, broker.Store.Metadata.Get(MetadataKeys.Queue("/", "q")) is not null));
    }

    [Fact]
    public void Nothing_is_left_of_a_deleted_virtual_host_and_nothing_can_be_declared_in_it()
    {
        using var broker = new TestBroker();
        VirtualHost host = broker.Run(broker.Broker.CreateVirtualHostAsync("h")).Value!;
        var queue = new QueueDefinition("q", true, false, false, Arguments.Empty);
        Assert.True(broker.Run(host.DeclareQueueAsync(queue, null)).IsOk);
        RecordingConsumer consumer = RecordingConsumer.Create();
        host.FindQueue("q", null).Value!.AddConsumer(consumer);
        Assert.True(broker.Run(broker.Broker.DeleteVirtualHostAsync("h")).IsOk);
        Assert.True(consumer.WasCancelled);
        Assert.Equal(BrokerStatus.NotFound, broker.Run(host.DeclareQueueAsync(queue, null)).Status);
        Assert.Equal(BrokerStatus.NotFound, broker.Run(host.DeclareExchangeAsync(new ExchangeDefinition("x", "direct", true, false, false, Arguments.Empty))).Status);
        Assert.Empty(broker.Store.Metadata.Range(MetadataKeys.AllOf("h")));
        broker.Restart();
        Assert.Null(broker.Broker.FindVirtualHost("h"));
    }

    private static PolicyDefinition Policy(int priority) => new("p", "^none$", "queues", priority, TestBroker.ToArguments(("max-length", 1L)), false);

    private static bool IsFound(TestBroker broker, string key) => key.StartsWith(MetadataKeys.VirtualHosts, StringComparison.Ordinal)
        ? broker.Broker.FindVirtualHost("h") is not null
        : key.StartsWith(MetadataKeys.Queues("/"), StringComparison.Ordinal) ? broker.Host.FindQueue("q", null).IsOk : broker.Host.FindExchange("x").IsOk;

    /// <summary>Does two things at once, round after round, and looks at what came of them after each.</summary>
    private static void AtOnce(Action<int> one, Action<int> other, Action<int> check)
    {
        using var barrier = new Barrier(2);
        var thread = new Thread(() =>
        {
            for (int round = 0; round < Rounds; round++)
            {
                barrier.SignalAndWait();
                other(round);
                barrier.SignalAndWait();
                barrier.SignalAndWait();
            }
        })
        { IsBackground = true };
        thread.Start();
        Exception? failure = null;
        for (int round = 0; round < Rounds; round++)
        {
            barrier.SignalAndWait();
            one(round);
            barrier.SignalAndWait();
            failure ??= Record.Exception(() => check(round));
            barrier.SignalAndWait();
        }

        thread.Join();
        Assert.Null(failure);
    }
}
