using System.Collections.Concurrent;
using Sluice.Broker.Definitions;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>Where a connection is in its life.</summary>
public enum ConnectionState
{
    /// <summary>Waiting for the protocol header.</summary>
    Connected,

    /// <summary>connection.start sent.</summary>
    Starting,

    /// <summary>A login is being checked, or connection.secure was sent.</summary>
    Securing,

    /// <summary>connection.tune sent.</summary>
    Tuning,

    /// <summary>Tuned; waiting for connection.open.</summary>
    Opening,

    /// <summary>In use.</summary>
    Running,

    /// <summary>Publishing, and held back because a resource runs short.</summary>
    Blocked,

    /// <summary>One side has sent connection.close.</summary>
    Closing,

    Closed,
}

/// <summary>What operators see of an AMQP connection besides what all connections have. Values are of the moment.</summary>
public interface IAmqpConnectionInfo : IConnectionInfo
{
    ConnectionState State { get; }

    int ChannelCount { get; }

    /// <summary>Negotiated, in bytes.</summary>
    int FrameMax { get; }

    /// <summary>Negotiated, in seconds; 0: none.</summary>
    int HeartbeatSeconds { get; }

    Arguments ClientProperties { get; }

    /// <summary>Consumers on all channels.</summary>
    int ConsumerCount { get; }

    /// <summary>The channels open now.</summary>
    IReadOnlyList<IChannelInfo> ListChannels();
}

/// <summary>What operators see of a channel. Values are of the moment.</summary>
public interface IChannelInfo
{
    ushort Number { get; }

    int ConsumerCount { get; }

    /// <summary>Deliveries not acknowledged.</summary>
    int UnacknowledgedCount { get; }

    /// <summary>Publishes that wait for their confirm.</summary>
    int UnconfirmedCount { get; }

    /// <summary>Prefetch of consumers to come; 0: none.</summary>
    ushort ConsumerPrefetch { get; }

    /// <summary>Prefetch of the channel as a whole; 0: none.</summary>
    ushort GlobalPrefetch { get; }

    /// <summary>Set to publisher confirms.</summary>
    bool IsConfirming { get; }

    bool IsTransactional { get; }
}

/// <summary>All AMQP 0-9-1 connections, for what concerns them all at once. Operators see them among those of all protocols. Thread-safe.</summary>
public sealed class ConnectionRegistry
{
    private readonly ConcurrentDictionary<long, Amqp091Connection> _connections = new();

    public int Count => _connections.Count;

    /// <summary>A copy, in no order.</summary>
    public IReadOnlyList<IAmqpConnectionInfo> List() => [.. _connections.Values];

    internal IEnumerable<Amqp091Connection> Connections => _connections.Select(static entry => entry.Value);

    internal void Add(Amqp091Connection connection)
    {
        _connections[connection.Client.Id] = connection;
        connection.Client.Info = connection;
    }

    internal void Remove(Amqp091Connection connection)
    {
        connection.Client.Info = null;
        _connections.TryRemove(connection.Client.Id, out _);
    }
}
