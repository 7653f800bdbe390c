using Microsoft.Extensions.Logging;
using Sluice.Broker.Publishing;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Storage;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>
/// Turns the result of a flushed turn into confirms: at once when nothing has to be waited for, through the <see cref="ConfirmQueue"/> otherwise.
/// Owned by the receive loop.
/// </summary>
internal sealed class ConfirmTracker
{
    private readonly Amqp091Connection _connection;
    private readonly List<Amqp091Channel> _confirming = [];
    private readonly List<ulong> _refused = [];
    private ConfirmQueue? _queue;

    public ConfirmTracker(Amqp091Connection connection) => _connection = connection;

    public bool IsEmpty => _confirming.Count == 0;

    /// <summary>The channel published with confirms in this turn.</summary>
    public void Note(Amqp091Channel channel)
    {
        if (!channel.Publisher.InTurn)
        {
            channel.Publisher.InTurn = true;
            _confirming.Add(channel);
        }
    }

    /// <summary>The turn was flushed.</summary>
    public void Flushed(in TurnResult result)
    {
        if (result.Failure is not null)
        {
            _connection.Server.Logger.LogWarning(
                "Connection {Connection}, user '{User}', virtual host '{VirtualHost}': publishes are refused, since storage cannot keep them: {Error}",
                _connection.Name, _connection.UserName, _connection.VirtualHostName, result.Failure.Message);
        }

        foreach (Amqp091Channel channel in _confirming)
        {
            channel.Publisher.InTurn = false;
            if (channel.IsOpen)
            {
                Confirm(channel, result);
            }
        }

        _confirming.Clear();
    }

    private void Confirm(Amqp091Channel channel, in TurnResult result)
    {
        ChannelPublisher publisher = channel.Publisher;
        ulong from = publisher.QueuedThrough + 1;
        ulong upTo = publisher.Sequence;
        bool isPending = channel.Confirms.Through < publisher.QueuedThrough;
        publisher.QueuedThrough = upTo;
        if (result.Failure is not null)
        {
            RefuseRange(channel, from, upTo, isPending);
            return;
        }

        if (result.Rejected is { } rejected)
        {
            upTo = Refuse(channel, rejected, from, upTo, isPending);
            if (upTo < from)
            {
                return;
            }
        }

        JournalPosition position = result.Position;
        if (position == JournalPosition.None && isPending)
        {
            position = publisher.PendingPosition;
        }

        if (position == JournalPosition.None)
        {
            channel.Confirms.Confirm(upTo, kept: true);
            return;
        }

        publisher.PendingPosition = position;
        _queue ??= new ConfirmQueue(_connection.FlushSoon);
        _queue.Add(position, channel, upTo);
        LogStore store = _connection.Server.Broker.Store;
        store.NotifyWhenKept(position, _connection.Server.Broker.Options.DurablePromise, _queue);
    }

    /// <summary>Refuses what full queues refused; returns the highest publish that was not, below <paramref name="from"/> if all were.</summary>
    private ulong Refuse(Amqp091Channel channel, IReadOnlyList<ulong> rejected, ulong from, ulong upTo, bool isPending)
    {
        _refused.Clear();
        foreach (ulong ticket in rejected)
        {
            (ushort number, ulong sequence) = ChannelPublisher.FromTicket(ticket);
            if (number == channel.Number && sequence > 0 && !_refused.Contains(sequence))
            {
                _refused.Add(sequence);
                channel.Confirms.Refuse(sequence);
            }
        }

        ulong highest = upTo;
        while (highest >= from && _refused.Contains(highest))
        {
            highest--;
        }

        if (highest < from && !isPending)
        {
            channel.Confirms.Skip(upTo);
        }

        return highest;
    }

    private static void RefuseRange(Amqp091Channel channel, ulong from, ulong upTo, bool isPending)
    {
        if (!isPending)
        {
            channel.Confirms.Confirm(upTo, kept: false);
            return;
        }

        for (ulong tag = from; tag <= upTo; tag++)
        {
            channel.Confirms.Refuse(tag);
        }
    }
}
