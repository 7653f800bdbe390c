using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Publishing;

/// <summary>What one turn holds for one lane of one queue: a record batch in the making. Reused from turn to turn.</summary>
internal sealed class Stage : IDisposable
{
    private readonly List<Entry> _entries = [];
    private RecordBatchBuilder? _piece;

    public RecordBatchBuilder Builder { get; } = new();

    /// <summary>For a part of the batch, when the queue has not room for all of it at once.</summary>
    public RecordBatchBuilder Piece => _piece ??= new RecordBatchBuilder();

    public StoredQueue? Queue { get; private set; }

    public int Lane { get; private set; }

    /// <summary>The strongest promise of any message in it.</summary>
    public Durability Promise { get; set; }

    /// <summary>Some message has a TTL of its own.</summary>
    public bool HasTimeToLive { get; set; }

    public long BodyBytes { get; private set; }

    /// <summary>Per message, only for queues that may take a part of a batch; see <see cref="StoredQueue.NeedsEntries"/>.</summary>
    public IReadOnlyList<Entry> Entries => _entries;

    public void Begin(StoredQueue queue, int lane)
    {
        Queue = queue;
        Lane = lane;
        Promise = Durability.Memory;
        HasTimeToLive = false;
        BodyBytes = 0;
    }

    public void Added(int bodyLength, ulong ticket)
    {
        BodyBytes += bodyLength;
        if (Queue!.NeedsEntries)
        {
            _entries.Add(new Entry(ticket, bodyLength, Builder.Size));
        }
    }

    /// <summary>Keeps only the first records.</summary>
    public void Truncate(int count)
    {
        Builder.Truncate(count, _entries[count - 1].EndSize);
        for (int i = count; i < _entries.Count; i++)
        {
            BodyBytes -= _entries[i].BodyLength;
        }
    }

    public void Clear()
    {
        Queue = null;
        _entries.Clear();
        Builder.Clear();
        _piece?.Clear();
    }

    public void Dispose()
    {
        Builder.Dispose();
        _piece?.Dispose();
    }

    /// <param name="Ticket">The publisher's ticket.</param>
    /// <param name="BodyLength">Body bytes.</param>
    /// <param name="EndSize">The batch's size with this record as its last.</param>
    public readonly record struct Entry(ulong Ticket, int BodyLength, int EndSize);
}
