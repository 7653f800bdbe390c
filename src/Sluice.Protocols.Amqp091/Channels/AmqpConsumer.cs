using System.Text;
using Sluice.Broker.Queues;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// A basic.consume subscription. The path of a delivery: the queue, under its lock, asks <see cref="CanTake"/> and calls <see cref="Deliver"/>;
/// that takes the channel's gate, draws the delivery tag, notes the message as unacknowledged, and copies method, header and body
/// frames into the connection's output (<see cref="Messages.DeliveryWriter"/>). <see cref="EndRun"/> asks for the flush: by the receive loop that caused
/// the run when it ends its turn, by the thread pool otherwise.
/// </summary>
internal sealed class AmqpConsumer : Consumer
{
    private readonly Amqp091Channel _channel;
    private int _unacknowledged;
    private bool _starved;
    private bool _running;

    public AmqpConsumer(Amqp091Channel channel, MessageQueue queue, string tag, ushort prefetch)
    {
        _channel = channel;
        Queue = queue;
        Prefetch = prefetch;
        TellsCount = queue.CountsDeliveries;
        TellsOffset = queue.Settings.Kind == Broker.Definitions.QueueKind.Stream;
        TagBytes = Encoding.UTF8.GetBytes(tag);
    }

    public MessageQueue Queue { get; }

    public byte[] TagBytes { get; }

    /// <summary>Most unacknowledged deliveries of this consumer; 0: no limit.</summary>
    public ushort Prefetch { get; }

    /// <summary>With each delivery, how often it came back (x-delivery-count).</summary>
    public bool TellsCount { get; }

    /// <summary>With each delivery, where it is in its stream (x-stream-offset).</summary>
    public bool TellsOffset { get; }

    public override bool CanTake
    {
        get
        {
            if (HasRoom)
            {
                return true;
            }

            // Noted before looking again: who gives room looks at the note after giving it, so that one of the two sees the other.
            Volatile.Write(ref _starved, true);
            Interlocked.MemoryBarrier();
            if (!HasRoom)
            {
                return false;
            }

            Volatile.Write(ref _starved, false);
            return true;
        }
    }

    private bool HasRoom => Volatile.Read(ref _running)
        && (AutoSettle || Prefetch == 0 || Volatile.Read(ref _unacknowledged) < Prefetch)
        && _channel.CanDeliver(AutoSettle);

    /// <summary>Deliveries may begin: the client has been told of its subscription. Follow with Resume on the queue.</summary>
    public void Begin() => Volatile.Write(ref _running, true);

    public override void Deliver(in Delivery delivery)
    {
        if (!AutoSettle)
        {
            Interlocked.Increment(ref _unacknowledged);
        }

        _channel.Deliver(this, delivery);
    }

    public override void EndRun() => _channel.Connection.FlushSoon();

    public override void Cancelled() => _channel.Consumers.Cancelled(this);

    /// <summary>A delivery was settled or went back. Returns true, once, if the queue must be told to go on.</summary>
    public bool Released()
    {
        Interlocked.Decrement(ref _unacknowledged);
        return TakeStarved();
    }

    /// <summary>Whether the consumer was refused a message since the last call and may have room now.</summary>
    public bool TakeStarved()
    {
        Interlocked.MemoryBarrier();
        if (!Volatile.Read(ref _starved))
        {
            return false;
        }

        Volatile.Write(ref _starved, false);
        return true;
    }
}
