using Sluice.Broker.Messages;

namespace Sluice.Broker.Queues;

/// <summary>
/// Body bytes of a queue's ready messages; kept only for queues with a byte limit. After a restart it starts from an estimate out of
/// the log's indexes and becomes exact as the queue turns over. Remembers the sizes of what is delivered, for when it comes back.
/// </summary>
internal sealed class ReadyBytes(long initial)
{
    private readonly Dictionary<MessageId, int> _taken = [];

    public long Total { get; private set; } = initial;

    public void Added(long bytes) => Total += bytes;

    public void Taken(MessageId id, int bytes)
    {
        Total = Math.Max(0, Total - bytes);
        _taken[id] = bytes;
    }

    public void Settled(MessageId id) => _taken.Remove(id);

    public void Returned(MessageId id)
    {
        if (_taken.Remove(id, out int bytes))
        {
            Total += bytes;
        }
    }

    public void Clear() => Total = 0;
}
