using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>The publisher confirms of one channel: what has been confirmed or refused. Guarded by the channel's gate: confirms come from the journal's worker, too.</summary>
internal sealed class ChannelConfirms(Amqp091Channel channel)
{
    private ulong _through;

    /// <summary>Highest publish confirmed.</summary>
    public ulong Through => Volatile.Read(ref _through);

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
            Volatile.Write(ref _through, upTo);
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
    public void Refuse(ulong tag) => channel.Send(new BasicNack { DeliveryTag = tag });

    /// <summary>All up to the tag were refused one by one and nothing is pending: there is nothing left to confirm of them.</summary>
    public void Skip(ulong upTo)
    {
        lock (channel.Gate)
        {
            Volatile.Write(ref _through, upTo);
        }
    }
}
