using Sluice.Storage;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// Publisher confirms of one connection that wait until the journal has kept what they promise. Filled by the receive loop once per turn and
/// channel, emptied on the journal's worker, which only copies basic.ack frames to the output. Lock order: this queue's lock is never
/// held while a channel's gate is taken.
/// </summary>
internal sealed class ConfirmQueue : IDurabilityListener
{
    private const int CapacityMin = 8;

    private readonly Lock _lock = new();
    private readonly Lock _release = new();
    private readonly List<Entry> _kept = [];
    private readonly Action _flush;
    private Entry[] _ring = [];
    private int _head;
    private int _count;

    /// <param name="flush">Asks the output to be sent soon; called on the journal's worker.</param>
    public ConfirmQueue(Action flush) => _flush = flush;

    /// <summary>Confirms everything on the channel up to the tag, once the position is kept. Follow with <see cref="LogStore.NotifyWhenKept"/>.</summary>
    public void Add(JournalPosition position, Amqp091Channel channel, ulong upTo)
    {
        lock (_lock)
        {
            if (_count == _ring.Length)
            {
                Grow();
            }

            _ring[(_head + _count++) & (_ring.Length - 1)] = new Entry(position, channel, upTo);
        }
    }

    public void OnKept(JournalPosition through) => Release(through, kept: true);

    public void OnFailed(Exception error) => Release(new JournalPosition(long.MaxValue), kept: false);

    private void Release(JournalPosition through, bool kept)
    {
        // Two notifications may come at once (inline and from the worker): acks of a channel must go out in order.
        lock (_release)
        {
            lock (_lock)
            {
                while (_count > 0 && _ring[_head].Position <= through)
                {
                    Gather(_ring[_head]);
                    _ring[_head] = default;
                    _head = (_head + 1) & (_ring.Length - 1);
                    _count--;
                }
            }

            if (_kept.Count == 0)
            {
                return;
            }

            foreach (Entry entry in _kept)
            {
                entry.Channel.Confirms.Confirm(entry.UpTo, kept);
            }

            _kept.Clear();
        }

        _flush();
    }

    /// <summary>One acknowledgement per channel is enough: the highest tag counts.</summary>
    private void Gather(in Entry entry)
    {
        for (int i = 0; i < _kept.Count; i++)
        {
            if (ReferenceEquals(_kept[i].Channel, entry.Channel))
            {
                _kept[i] = entry;
                return;
            }
        }

        _kept.Add(entry);
    }

    private void Grow()
    {
        var ring = new Entry[Math.Max(CapacityMin, _ring.Length * 2)];
        for (int i = 0; i < _count; i++)
        {
            ring[i] = _ring[(_head + i) & (_ring.Length - 1)];
        }

        _ring = ring;
        _head = 0;
    }

    private readonly record struct Entry(JournalPosition Position, Amqp091Channel Channel, ulong UpTo);
}
