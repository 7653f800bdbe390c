using Sluice.Broker.Messages;
using Sluice.Broker.Queues;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>One delivery that the client has not settled.</summary>
internal struct UnacknowledgedDelivery
{
    /// <summary>Its delivery tag.</summary>
    public ulong Tag;

    /// <summary>The <see cref="AmqpConsumer"/> it went to, or the <see cref="MessageQueue"/> it was got from; null once settled.</summary>
    public object? Source;

    public MessageId Id;

    /// <summary>When, in ticks of the server's clock (<see cref="Amqp091Limits.TickMs"/>).</summary>
    public int DeliveredTick;

    public readonly AmqpConsumer? Consumer => Source as AmqpConsumer;

    public readonly MessageQueue Queue => Source is AmqpConsumer consumer ? consumer.Queue : (MessageQueue)Source!;
}

/// <summary>
/// Deliveries awaiting acknowledgement, in order of their tags: a ring of structs. Settled ones in the middle are holes until the oldest
/// goes, or until the ring would have to grow: then holes are squeezed out first. Guarded by the channel's gate.
/// </summary>
internal sealed class Unacknowledged
{
    private const int CapacityMin = 16;

    private UnacknowledgedDelivery[] _ring = [];
    private int _head;
    private int _length;

    /// <summary>Deliveries not settled.</summary>
    public int Count { get; private set; }

    /// <summary>Places in the ring, holes (no source) included.</summary>
    public int Length => _length;

    /// <summary>Adds a delivery; its tag is higher than all before.</summary>
    public void Add(ulong tag, object source, MessageId id, int tick)
    {
        if (_length == _ring.Length)
        {
            MakeRoom();
        }

        ref UnacknowledgedDelivery slot = ref At(_length++);
        slot.Tag = tag;
        slot.Source = source;
        slot.Id = id;
        slot.DeliveredTick = tick;
        Count++;
    }

    /// <summary>Takes one out; false if there is no such tag.</summary>
    public bool TryTake(ulong tag, out UnacknowledgedDelivery taken)
    {
        int index = IndexOf(tag);
        if (index < 0 || At(index).Tag != tag || At(index).Source is null)
        {
            taken = default;
            return false;
        }

        ref UnacknowledgedDelivery slot = ref At(index);
        taken = slot;
        slot.Source = null;
        Count--;
        DropHoles();
        return true;
    }

    /// <summary>Whether the tag is there and not settled.</summary>
    public bool Contains(ulong tag)
    {
        int index = IndexOf(tag);
        return index >= 0 && At(index).Tag == tag && At(index).Source is not null;
    }

    /// <summary>Takes out the oldest if its tag is at most <paramref name="upTo"/>.</summary>
    public bool TryTakeOldest(ulong upTo, out UnacknowledgedDelivery taken)
    {
        if (Count == 0 || At(0).Tag > upTo)
        {
            taken = default;
            return false;
        }

        ref UnacknowledgedDelivery slot = ref At(0);
        taken = slot;
        slot.Source = null;
        _head = (_head + 1) & (_ring.Length - 1);
        _length--;
        Count--;
        DropHoles();
        return true;
    }

    /// <summary>Puts deliveries back that were taken and not settled (tx.rollback).</summary>
    public void Restore(List<UnacknowledgedDelivery> taken)
    {
        var all = new List<UnacknowledgedDelivery>(Count + taken.Count);
        while (TryTakeOldest(ulong.MaxValue, out UnacknowledgedDelivery one))
        {
            all.Add(one);
        }

        all.AddRange(taken);
        all.Sort(static (a, b) => a.Tag.CompareTo(b.Tag));
        foreach (UnacknowledgedDelivery one in all)
        {
            Add(one.Tag, one.Source!, one.Id, one.DeliveredTick);
        }
    }

    /// <summary>The time-out of a delivery that is overdue, in ms; 0: none is.</summary>
    /// <param name="nowTick">Now, in ticks of the server's clock.</param>
    /// <param name="generalMs">For queues without a time-out of their own; not positive: none.</param>
    public long FindTimeOut(int nowTick, long generalMs)
    {
        for (int i = 0; i < _length; i++)
        {
            ref readonly UnacknowledgedDelivery delivery = ref At(i);
            if (delivery.Source is null)
            {
                continue;
            }

            long own = delivery.Queue.Settings.ConsumerTimeoutMs;
            long limit = own >= 0 ? own : generalMs;
            if (limit > 0 && (nowTick - delivery.DeliveredTick - 1) * Amqp091Limits.TickMs >= limit)
            {
                return limit;
            }
        }

        return 0;
    }

    private ref UnacknowledgedDelivery At(int index) => ref _ring[(_head + index) & (_ring.Length - 1)];

    /// <summary>Index of the tag or of where it would be; -1 if it is older than all.</summary>
    private int IndexOf(ulong tag)
    {
        if (_length == 0 || tag < At(0).Tag)
        {
            return -1;
        }

        // Without holes squeezed out and no-ack deliveries between, tags are consecutive: no search.
        ulong distance = tag - At(0).Tag;
        if (distance < (ulong)_length && At((int)distance).Tag == tag)
        {
            return (int)distance;
        }

        int low = 0;
        int high = _length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (At(middle).Tag <= tag)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }

    private void DropHoles()
    {
        while (_length > 0 && At(0).Source is null)
        {
            _head = (_head + 1) & (_ring.Length - 1);
            _length--;
        }

        if (_length == 0 && _ring.Length > Amqp091Limits.UnacknowledgedKept)
        {
            _ring = [];
            _head = 0;
        }
    }

    private void MakeRoom()
    {
        int capacity = Count * 2 < _ring.Length ? _ring.Length : Math.Max(CapacityMin, _ring.Length * 2);
        var ring = new UnacknowledgedDelivery[capacity];
        int count = 0;
        for (int i = 0; i < _length; i++)
        {
            if (At(i).Source is not null)
            {
                ring[count++] = At(i);
            }
        }

        _ring = ring;
        _head = 0;
        _length = count;
    }
}
