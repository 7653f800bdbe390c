using System.Diagnostics;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Producers;
using Sluice.Storage.Records;

namespace Sluice.Broker.Topics;

/// <summary>
/// One partition of a topic: a log that Kafka clients append batches to and read raw, and that AMQP clients publish to and consume as a stream
/// (or, <see cref="IsQueue"/>, compete for). Its queue's gate orders all appends. Thread-safe.
/// </summary>
public class TopicPartition
{
    private readonly Log _log;
    private readonly List<IPartitionListener> _listeners = [];
    private volatile bool _hasListeners;

    internal TopicPartition(int index, StreamQueue stream, Log log)
        : this(index, (StoredQueue)stream, log) =>
        stream.Partition = this;

    private protected TopicPartition(int index, StoredQueue queue, Log log)
    {
        Index = index;
        Queue = queue;
        _log = log;
    }

    public int Index { get; }

    public Topic Topic { get; internal set; } = null!;

    /// <summary>It shows a classic or quorum queue: what consumers have settled is a hole, records are published one by one, and there are no transactions.</summary>
    public virtual bool IsQueue => false;

    /// <summary>Offset of the oldest record kept.</summary>
    public virtual long StartOffset => _log.StartOffset;

    /// <summary>One past the newest record.</summary>
    public long EndOffset => _log.NextOffset;

    /// <summary>What transactions that have not ended leave readable: offsets below it are decided.</summary>
    public long LastStableOffset => _log.LastStableOffset;

    /// <summary>What consumers may read: see <see cref="Log.FindWrittenEnd"/>. Its offset is Kafka's high watermark.</summary>
    public LogEnd FindReadableEnd(out JournalPosition unwritten) => _log.FindWrittenEnd(out unwritten);

    /// <summary>Offset from which on all is in memory, so that reading it does not wait for the disk.</summary>
    public long MemoryStartOffset => _log.MemoryStartOffset;

    /// <summary>Largest timestamp of a record; -1 if there is none.</summary>
    public long MaxTimestamp => _log.MaxTimestamp;

    /// <summary>Bytes kept.</summary>
    public long Bytes => _log.Bytes;

    /// <summary>Why nothing can be promised any more; null while it can.</summary>
    public Exception? Failure => _log.PromiseFailure;

    /// <summary>True until the topic is deleted.</summary>
    public bool IsOpen => Queue.IsOpen;

    internal StoredQueue Queue { get; }

    internal LogId LogId => _log.Id;

    /// <summary>Appends a whole, checked record batch as it is. Its order is fixed on return; it is kept when the journal says so for <paramref name="position"/>.</summary>
    /// <param name="batch">One record batch of version 2; copied.</param>
    /// <param name="promise">What is waited for.</param>
    /// <param name="baseOffset">Offset of its first record.</param>
    /// <param name="position">For <see cref="LogStore.NotifyWhenKept"/>, which the caller is to call at the end of its turn.</param>
    /// <param name="mayWriteThrough">The caller looks at <see cref="Failure"/> when told that the batch is kept; see <see cref="Log.Append"/>.</param>
    public virtual PartitionStatus Append(ReadOnlySpan<byte> batch, Durability promise, out long baseOffset, out JournalPosition position, bool mayWriteThrough = false)
    {
        baseOffset = -1;
        position = JournalPosition.None;
        lock (Queue.Gate)
        {
            if (!Queue.IsOpen)
            {
                return PartitionStatus.Deleted;
            }

            if (RecordBatch.ProducerId(batch) != RecordBatch.NoProducerId)
            {
                ProducerCheck check = _log.CheckProducer(batch, out long duplicate);
                if (check != ProducerCheck.Ok)
                {
                    baseOffset = duplicate;
                    // What it repeats may not be kept yet: it is when the journal has come this far.
                    position = check == ProducerCheck.Duplicate ? Queue.Host.Store.EndPosition : JournalPosition.None;
                    return Of(check);
                }
            }

            try
            {
                AppendResult result = _log.Append(batch, promise, isAwaited: true, mayWriteThrough: mayWriteThrough);
                baseOffset = result.BaseOffset;
                position = result.Position;
            }
            catch (LogFailedException)
            {
                return PartitionStatus.Failed;
            }

            Queue.AfterAppend();
        }

        return PartitionStatus.Ok;
    }

    /// <summary>The transactions rolled back that a reader of these offsets has to know.</summary>
    public IReadOnlyList<AbortedTransaction> CollectAborted(long fetchOffset, long upperOffset) => _log.Producers?.CollectAborted(fetchOffset, upperOffset) ?? [];

    /// <summary>What the log knows of producers with an id.</summary>
    public IReadOnlyList<ProducerInfo> DescribeProducers() => _log.Producers?.Describe() ?? [];

    /// <summary>Whether what is known of its producer allows the batch at this moment.</summary>
    public PartitionStatus Check(ReadOnlySpan<byte> batch) => _log.CheckProducer(batch, out _) is var check && check == ProducerCheck.Ok ? PartitionStatus.Ok : Of(check);

    /// <summary>Whether a producer's batch of this epoch can be taken: none of a later one is there.</summary>
    public bool AdmitsEpoch(long producerId, short epoch) => !(_log.Producers is { } producers && producers.FindEpoch(producerId) > epoch);

    /// <summary>Forgets producers that have written nothing after <paramref name="beforeMs"/> (Unix time) and have no transaction open; returns how many.</summary>
    public int RemoveExpiredProducers(long beforeMs) => _log.Producers?.RemoveExpired(beforeMs) ?? 0;

    /// <summary>See <see cref="Log.Read"/>.</summary>
    public virtual LogSlice? Read(long offset, int bytesMax, long endOffset = long.MaxValue) => _log.Read(offset, bytesMax, endOffset);

    /// <summary>See <see cref="Log.DeleteBefore"/>.</summary>
    public virtual JournalPosition DeleteBefore(long offset) => _log.DeleteBefore(offset);

    /// <summary>See <see cref="Log.FindRecord"/>.</summary>
    public TimedOffset? FindTime(long timestampMs) => _log.FindRecord(timestampMs);

    /// <summary>The offset at which reading starts; for a timestamp see <see cref="FindTime"/>.</summary>
    public long Resolve(StreamStart start)
    {
        ArgumentNullException.ThrowIfNull(start);
        return start.Kind switch
        {
            StreamStartKind.Last => _log.LastBatchOffset,
            StreamStartKind.Next => _log.NextOffset,
            StreamStartKind.Offset => Math.Max(start.Value, _log.StartOffset),
            _ => _log.StartOffset,
        };
    }

    /// <summary>Tells the listener of every append from now on, until it is removed, and of the partition's end.</summary>
    public void AddListener(IPartitionListener listener)
    {
        lock (_listeners)
        {
            _listeners.Add(listener);
            _hasListeners = true;
        }
    }

    public void RemoveListener(IPartitionListener listener)
    {
        lock (_listeners)
        {
            _listeners.Remove(listener);
            _hasListeners = _listeners.Count > 0;
        }
    }

    /// <summary>A reader of its own lock.</summary>
    internal LogReader OpenReader(long offset, bool isCommittedOnly) => isCommittedOnly ? _log.OpenCommittedReader(offset) : _log.OpenReader(offset);

    /// <summary>See <see cref="Log.LoadWindow"/>.</summary>
    internal LogWindow? LoadWindow(long offset) => _log.LoadWindow(offset);

    /// <summary>Something was appended, or the partition has ended. Under the stream's gate.</summary>
    internal void OnChanged()
    {
        if (!_hasListeners)
        {
            return;
        }

        lock (_listeners)
        {
            foreach (IPartitionListener listener in _listeners)
            {
                listener.OnChanged(this);
            }
        }
    }

    /// <summary>Gate held; what can refuse it was asked before the group's first operation.</summary>
    internal long Append(ReadOnlySpan<byte> batch, Durability promise, JournalGroup group) => _log.Append(batch, promise, group).BaseOffset;

    internal void ApplyRetention(RetentionPolicy retention) => _log.SetRetention(retention);

    private protected static PartitionStatus Of(ProducerCheck check) => check switch
    {
        ProducerCheck.Duplicate => PartitionStatus.Duplicate,
        ProducerCheck.OutOfOrderSequence => PartitionStatus.OutOfOrderSequence,
        ProducerCheck.InvalidEpoch => PartitionStatus.InvalidProducerEpoch,
        ProducerCheck.InvalidTransactionState => PartitionStatus.InvalidTransactionState,
        ProducerCheck.CoordinatorFenced => PartitionStatus.CoordinatorFenced,
        _ => throw new UnreachableException(),
    };
}

/// <summary>Told of a partition's appends and of its end.</summary>
public interface IPartitionListener
{
    /// <summary>Called under the partition's locks, once for each turn of appends: must be short, must not call the partition and must not remove itself.</summary>
    void OnChanged(TopicPartition partition);
}

/// <summary>Outcome of an append to a partition.</summary>
public enum PartitionStatus : byte
{
    Ok = 0,

    /// <summary>The topic is deleted.</summary>
    Deleted,

    /// <summary>The log or the journal has failed: nothing can be promised.</summary>
    Failed,

    /// <summary>The producer has sent it before: it has the offset given already.</summary>
    Duplicate,

    /// <summary>Not what follows the producer's last batch.</summary>
    OutOfOrderSequence,

    /// <summary>A newer instance of the producer has written.</summary>
    InvalidProducerEpoch,

    /// <summary>Outside a transaction while the producer has one open.</summary>
    InvalidTransactionState,

    /// <summary>A marker of a transaction coordinator that has been replaced.</summary>
    CoordinatorFenced,

    /// <summary>The queue takes no more: it is full and refuses what is published (overflow reject-publish).</summary>
    Refused,
}
