using System.Buffers.Binary;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Publishing;

/// <summary>What one turn holds for one lane of one queue: a record batch in the making. Reused from turn to turn.</summary>
internal sealed class Stage(int batchBytes) : IDisposable
{
    /// <summary>What a batch has besides its records.</summary>
    public const int OverheadBytesMax = 64;

    private readonly List<Entry> _entries = [];
    private readonly List<int> _expiries = [];
    private bool _keepsEntries;
    private int _wholeCount;
    private int _wholeSize;
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

    /// <summary>Whether each message has its entry. False also if the queue got its length limit after the stage was begun: then it takes the whole stage.</summary>
    public bool HasEntries => _keepsEntries;

    /// <summary>First of the messages that the queue refused and wants dead-lettered; -1: none.</summary>
    public int RefusedFrom { get; private set; } = -1;

    /// <summary>Whether another record fits. A batch has a target size, which only a single larger message exceeds.</summary>
    public bool HasRoom(long recordBytes) => Builder.Count == 0 || Builder.Size + recordBytes <= batchBytes;

    public void Begin(StoredQueue queue, int lane)
    {
        Queue = queue;
        Lane = lane;
        Promise = Durability.Memory;
        HasTimeToLive = false;
        BodyBytes = 0;
        RefusedFrom = -1;
        _keepsEntries = queue.NeedsEntries;
    }

    public void Added(int bodyLength, ulong ticket)
    {
        BodyBytes += bodyLength;
        if (_keepsEntries)
        {
            _entries.Add(new Entry(ticket, bodyLength, Builder.Size));
        }
    }

    /// <summary>The message just added expires at a time that moves with <see cref="MoveTimes"/>.</summary>
    /// <param name="position">Of the eight bytes, counted as <see cref="RecordBatchBuilder.Size"/>.</param>
    public void NoteExpiry(int position) => _expiries.Add(position);

    /// <summary>Moves the times at which the messages came, and at which they expire: those of a transaction count from its commit.</summary>
    public void MoveTimes(long deltaMs)
    {
        Builder.ShiftTimestamps(deltaMs);
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        foreach (int position in _expiries)
        {
            Builder.Read(position, bytes);
            BinaryPrimitives.WriteInt64BigEndian(bytes, BinaryPrimitives.ReadInt64BigEndian(bytes) + deltaMs);
            Builder.Overwrite(position, bytes);
        }
    }

    /// <summary>Notes that the queue takes only the first messages and the rest is to be dead-lettered; before <see cref="Truncate"/>.</summary>
    public void KeepRefused(int firstRefused)
    {
        RefusedFrom = firstRefused;
        _wholeCount = Builder.Count;
        _wholeSize = Builder.Size;
    }

    /// <summary>The whole batch again, of which the messages from <see cref="RefusedFrom"/> on were refused.</summary>
    public ReadOnlySpan<byte> SealWhole()
    {
        Builder.Restore(_wholeCount, _wholeSize);
        return Builder.Seal();
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
        _expiries.Clear();
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
