using Sluice.Broker.Messages;
using Sluice.Broker.Queues;

namespace Sluice.Budget;

/// <summary>A consumer that allocates nothing: it notes the ids of what it gets in an array of its own.</summary>
internal sealed class CollectingConsumer(int capacity) : Consumer
{
    private readonly Lock _lock = new();
    private readonly MessageId[] _held = new MessageId[capacity];
    private int _count;
    private long _taken;
    private object? _waste;

    /// <summary>Makes an object for each message, to see that it is noticed.</summary>
    public bool IsWasteful { get; init; }

    public override bool CanTake => Volatile.Read(ref _count) < _held.Length;

    /// <summary>Messages delivered in all.</summary>
    public long Taken => Volatile.Read(ref _taken);

    public override void Deliver(in Delivery delivery)
    {
        lock (_lock)
        {
            if (!AutoSettle)
            {
                _held[_count++] = delivery.Id;
            }

            _taken++;
            _waste = IsWasteful ? new object() : null;
        }
    }

    public override void EndRun()
    {
    }

    public override void Cancelled()
    {
    }

    /// <summary>Acknowledges all that it holds and asks for more.</summary>
    public void Acknowledge(MessageQueue queue, MessageId[] scratch)
    {
        int count;
        lock (_lock)
        {
            count = _count;
            _held.AsSpan(0, count).CopyTo(scratch);
            _count = 0;
        }

        if (count > 0)
        {
            queue.Settle(scratch.AsSpan(0, count));
            queue.Resume(this);
        }
    }
}
