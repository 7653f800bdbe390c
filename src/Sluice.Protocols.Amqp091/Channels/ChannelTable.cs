using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// The channels of one connection by number. Changed by the receive loop only; other threads (timer, a drained output, operators) read it and see
/// the table as it is or was a moment ago.
/// </summary>
internal sealed class ChannelTable(Amqp091Connection connection)
{
    private readonly Lock _consumersLock = new();
    private Amqp091Channel?[] _channels = [];
    private AmqpConsumer[]? _consumers;

    /// <summary>Channels whose number is taken.</summary>
    public int Count { get; private set; }

    /// <summary>By number; empty places are null.</summary>
    public ReadOnlySpan<Amqp091Channel?> All => Volatile.Read(ref _channels);

    /// <summary>A copy, for operators.</summary>
    public IReadOnlyList<Amqp091Channel> List() => [.. Volatile.Read(ref _channels).OfType<Amqp091Channel>()];

    public Amqp091Channel? Find(ushort number) => number < _channels.Length ? _channels[number] : null;

    /// <summary>channel.open.</summary>
    /// <exception cref="AmqpException">530: above what was negotiated, or above the user's limit.</exception>
    public Amqp091Channel Open(ushort number)
    {
        if (number > connection.ChannelMax)
        {
            throw new AmqpException(ReplyCode.NotAllowed, $"channel {number} is above the negotiated channel_max ({connection.ChannelMax})");
        }

        if (connection.Server.Limits.TryAddChannel(connection.UserName) is { } reason)
        {
            throw new AmqpException(ReplyCode.NotAllowed, reason);
        }

        if (number >= _channels.Length)
        {
            Amqp091Channel?[] channels = _channels;
            Array.Resize(ref channels, Math.Min(connection.ChannelMax + 1, Math.Max(number + 1, channels.Length * 2)));
            Volatile.Write(ref _channels, channels);
        }

        var channel = new Amqp091Channel(connection, number);
        _channels[number] = channel;
        Count++;
        return channel;
    }

    /// <summary>The channel's number is free again.</summary>
    public void Forget(Amqp091Channel channel)
    {
        _channels[channel.Number] = null;
        Count--;
        connection.Server.Limits.RemoveChannels(connection.UserName, 1);
    }

    /// <summary>All channels end: consumers leave, unacknowledged deliveries go back.</summary>
    public void ReleaseAll()
    {
        Amqp091Channel?[] channels = _channels;
        int count = Count;
        Volatile.Write(ref _channels, []);
        Count = 0;
        foreach (Amqp091Channel? channel in channels)
        {
            if (channel is { IsClosing: false })
            {
                channel.Release();
            }
        }

        if (count > 0)
        {
            connection.Server.Limits.RemoveChannels(connection.UserName, count);
        }
    }

    /// <summary>The consumers of all channels, gathered when asked for after a change.</summary>
    public AmqpConsumer[] ListConsumers()
    {
        lock (_consumersLock)
        {
            return _consumers ??= [.. List().SelectMany(static channel => channel.Consumers.ToArray())];
        }
    }

    /// <summary>The set of consumers changed. Any thread, after the change.</summary>
    public void ConsumersChanged()
    {
        lock (_consumersLock)
        {
            _consumers = null;
        }
    }
}
