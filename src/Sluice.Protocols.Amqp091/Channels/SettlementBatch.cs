using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// What a connection's client settled in one turn, gathered by queue and kind, so that each queue is locked once. Owned by the receive
/// loop; not thread-safe. No allocation in the steady state.
/// </summary>
internal sealed class SettlementBatch
{
    private const int KeptIdsMax = 16_384;

    private readonly List<AmqpConsumer> _starved = [];
    private Group[] _groups = [];
    private int _count;
    private int _last;

    public bool IsEmpty => _count == 0 && _starved.Count == 0;

    public void Add(MessageQueue queue, MessageId id, SettlementKind kind)
    {
        ref Group group = ref Find(queue, kind);
        if (group.Count == group.Ids.Length)
        {
            Array.Resize(ref group.Ids, Math.Max(16, group.Ids.Length * 2));
        }

        group.Ids[group.Count++] = id;
    }

    /// <summary>The consumer got credit back that it was waiting for: served again at <see cref="Flush"/>.</summary>
    public void Resume(AmqpConsumer consumer) => _starved.Add(consumer);

    /// <summary>Hands everything to the queues, then serves consumers that have credit again. The caller holds no lock.</summary>
    public void Flush()
    {
        for (int i = 0; i < _count; i++)
        {
            ref Group group = ref _groups[i];
            ReadOnlySpan<MessageId> ids = group.Ids.AsSpan(0, group.Count);
            switch (group.Kind)
            {
                case SettlementKind.Settle:
                    group.Queue!.Settle(ids);
                    break;
                case SettlementKind.Requeue:
                    group.Queue!.Requeue(ids);
                    break;
                default:
                    group.Queue!.Reject(ids);
                    break;
            }

            group.Clear();
        }

        _count = 0;
        _last = 0;
        foreach (AmqpConsumer consumer in _starved)
        {
            consumer.Queue.Resume(consumer);
        }

        _starved.Clear();
    }

    private ref Group Find(MessageQueue queue, SettlementKind kind)
    {
        if (_count > 0 && _groups[_last].Is(queue, kind))
        {
            return ref _groups[_last];
        }

        for (_last = 0; _last < _count; _last++)
        {
            if (_groups[_last].Is(queue, kind))
            {
                return ref _groups[_last];
            }
        }

        if (_count == _groups.Length)
        {
            Array.Resize(ref _groups, Math.Max(2, _count * 2));
        }

        ref Group group = ref _groups[_count++];
        group.Queue = queue;
        group.Kind = kind;
        group.Ids ??= [];
        return ref group;
    }

    private struct Group
    {
        public MessageQueue? Queue;
        public SettlementKind Kind;
        public MessageId[] Ids;
        public int Count;

        public readonly bool Is(MessageQueue queue, SettlementKind kind) => ReferenceEquals(Queue, queue) && Kind == kind;

        public void Clear()
        {
            Queue = null;
            Count = 0;
            if (Ids.Length > KeptIdsMax)
            {
                Ids = [];
            }
        }
    }
}
