using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>The publisher confirms of one channel: what has been confirmed or refused. Guarded by the channel's gate: confirms come from the journal's worker, too.</summary>
internal sealed class ChannelConfirms(Amqp091Channel channel)
{
    private ulong _through;

    // Refused, above the highest confirmed.
    private List<ulong>? _refusedAhead;

    /// <summary>Highest publish confirmed.</summary>
    public ulong Through => Volatile.Read(ref _through);

    /// <summary>Publishes that were neither confirmed nor refused; those of the turn under way among them. Any thread.</summary>
    public int PendingCount
    {
        get
        {
            lock (channel.Gate)
            {
                long pending = (long)(channel.Publisher.Sequence - _through) - (_refusedAhead?.Count ?? 0);
                return (int)Math.Clamp(pending, 0, int.MaxValue);
            }
        }
    }

    /// <summary>Confirms (or refuses) all publishes up to the tag that are not yet. Any thread.</summary>
    public void Confirm(ulong upTo, bool kept)
    {
        lock (channel.Gate)
        {
            if (!channel.IsOpen || upTo <= _through)
            {
                return;
            }

            bool multiple = upTo != _through + 1;
            Advance(upTo);
            if (kept)
            {
                channel.Send(new BasicAck { DeliveryTag = upTo, Multiple = multiple });
            }
            else
            {
                channel.Send(new BasicNack { DeliveryTag = upTo, Multiple = multiple });
            }
        }
    }

    /// <summary>Refuses one publish.</summary>
    public void Refuse(ulong tag)
    {
        lock (channel.Gate)
        {
            if (tag > _through)
            {
                (_refusedAhead ??= []).Add(tag);
            }
        }

        channel.Send(new BasicNack { DeliveryTag = tag });
    }

    /// <summary>All up to the tag were refused one by one and nothing is pending: there is nothing left to confirm of them.</summary>
    public void Skip(ulong upTo)
    {
        lock (channel.Gate)
        {
            Advance(upTo);
        }
    }

    private void Advance(ulong upTo)
    {
        Volatile.Write(ref _through, upTo);
        if (_refusedAhead is not null)
        {
            DropRefused(upTo);
        }
    }

    private void DropRefused(ulong upTo)
    {
        _refusedAhead!.RemoveAll(tag => tag <= upTo);
        if (_refusedAhead.Count == 0)
        {
            _refusedAhead = null;
        }
    }
}
