using Microsoft.Extensions.Logging;
using Sluice.Base.Scheduling;
using Sluice.Broker.Messages;
using Sluice.Storage;

namespace Sluice.Broker;

/// <summary>The broker: its virtual hosts over one <see cref="LogStore"/>. No sockets, no wire formats.</summary>
public sealed class MessageBroker
{
    private MessageBroker()
    {
    }

    /// <summary>Loads virtual hosts, exchanges, queues, bindings and policies from the metadata store; creates virtual host "/" in an empty one.</summary>
    public static MessageBroker Open(LogStore store, BrokerOptions options, IReadOnlyList<IPropertiesReader> formats, IScheduler scheduler, TimeProvider clock, Random random, ILoggerFactory loggers) => throw new NotImplementedException();

    public LogStore Store => throw new NotImplementedException();

    public VirtualHost? FindVirtualHost(string name) => throw new NotImplementedException();

    public IReadOnlyList<VirtualHost> ListVirtualHosts() => throw new NotImplementedException();

    public ValueTask<BrokerResult<VirtualHost>> CreateVirtualHostAsync(string name) => throw new NotImplementedException();

    public ValueTask<BrokerResult> DeleteVirtualHostAsync(string name) => throw new NotImplementedException();

    /// <summary>Why publishers are held back (memory or disk watermark); null when they are not.</summary>
    public string? BlockedReason => throw new NotImplementedException();

    /// <summary>Sets or lifts (null) the block; raises <see cref="BlockedChanged"/>. Called by the watermark monitor.</summary>
    public void SetBlocked(string? reason) => throw new NotImplementedException();

    /// <summary>Raised after <see cref="BlockedReason"/> changed; the argument is the new reason.</summary>
    public event Action<string?> BlockedChanged
    {
        add => throw new NotImplementedException();
        remove => throw new NotImplementedException();
    }
}

/// <summary>Settings of a <see cref="MessageBroker"/>.</summary>
public sealed record BrokerOptions
{
    /// <summary>What a persistent message to a durable queue is promised.</summary>
    public Durability DurablePromise { get; init; } = Durability.Disk;

    /// <summary>Largest message body, in bytes.</summary>
    public int MessageBytesMax { get; init; } = 128 << 20;

    /// <summary>Most bytes that one transaction may hold before its commit.</summary>
    public long TransactionBytesMax { get; init; } = 128L << 20;

    /// <summary>Most queues per virtual host.</summary>
    public int QueuesMax { get; init; } = 1_000_000;

    /// <summary>Time a delivery may stay unacknowledged before its channel is closed (RabbitMQ's consumer_timeout), in ms; -1: never.</summary>
    public long ConsumerTimeoutMs { get; init; } = -1;
}
