using Microsoft.Extensions.Logging;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Shares;

/// <summary>
/// One partition of a <see cref="ShareQueue"/>: reads its log where the group does, as far as the journal has written it. Guarded by the queue's gate, but for the load and for what
/// tells of changes.
/// Failure policy: when a part of the log cannot be read, the partition is not served any more, and that is said.
/// </summary>
internal sealed class ShareFeed(ShareQueue queue, int index, TopicPartition partition, ISharePosition position) : IShareListener, IPartitionListener, IThreadPoolWorkItem
{
    private LogReader? _reader;
    private WriteWait? _write;
    private long _readable;
    private long _planned;
    private long _loadOffset;
    private bool _readsCommitted;
    private bool _isLoading;
    private bool _hasFailed;
    private bool _hasEnded;
    private volatile bool _hasNews = true;

    public int Index => index;

    public TopicPartition Partition => partition;

    /// <summary>From now on changes are heard of.</summary>
    public void Begin()
    {
        position.AddListener(this);
        partition.AddListener(this);
    }

    /// <summary>Nothing is heard of or read any more.</summary>
    public void End()
    {
        position.RemoveListener(this);
        partition.RemoveListener(this);
        _hasEnded = true;
        if (!_isLoading)
        {
            _reader?.Dispose();
        }
    }

    /// <summary>Shows what the group reads next. The view is valid until the next call.</summary>
    public FeedResult Peek(out RecordView record)
    {
        record = default;
        if (_hasFailed || !_hasNews)
        {
            return FeedResult.Nothing;
        }

        // What changes from here on is seen by another look.
        _hasNews = false;
        if (!partition.IsOpen || !position.TryPlan(queue, partition.StartOffset, out long? planned))
        {
            return FeedResult.Gone;
        }

        if (planned is not { } offset)
        {
            return FeedResult.Nothing;
        }

        LogReader reader = ReaderAt(offset);
        PeekResult result;
        try
        {
            result = reader.TryPeek(out record);
        }
        catch (LogFailedException error)
        {
            Fail(error);
            return FeedResult.Nothing;
        }

        if (result == PeekResult.NeedsLoad)
        {
            Load(reader.NextOffset);
        }

        if (result != PeekResult.Record || (record.Offset >= _readable && !IsWritten(record.Offset)))
        {
            return FeedResult.Nothing;
        }

        _planned = offset;
        _hasNews = true;
        return FeedResult.Record;
    }

    /// <summary>The group gets the record that was shown, unless another of its members has it by now.</summary>
    public bool TryTake(long offset, out int deliveryCount) => position.TryTake(queue, _planned, offset, out deliveryCount);

    public void Settle(ReadOnlySpan<long> offsets, AcknowledgeType type) => position.Settle(queue, offsets, type);

    /// <summary>Reads ahead in the file if the end of what was read is near.</summary>
    public void Prefetch()
    {
        if (_reader is not null && _reader.WantsPrefetch(out long offset))
        {
            Load(offset);
        }
    }

    /// <summary>Something became available for the group.</summary>
    void IShareListener.OnChanged() => Tell();

    /// <summary>Something was appended, or the partition has ended.</summary>
    void IPartitionListener.OnChanged(TopicPartition changed) => Tell();

    void IThreadPoolWorkItem.Execute()
    {
        LogWindow? window = null;
        IOException? failure = null;
        try
        {
            window = partition.LoadWindow(_loadOffset);
        }
        catch (IOException error)
        {
            failure = error;
        }

        lock (queue.Gate)
        {
            _isLoading = false;
            if (_hasEnded)
            {
                window?.Dispose();
                _reader?.Dispose();
                return;
            }

            if (failure is not null)
            {
                Fail(failure);
                return;
            }

            if (window is not null)
            {
                _reader!.Attach(window);
            }

            _hasNews = true;
            queue.Serve();
        }
    }

    private void Tell()
    {
        _hasNews = true;
        queue.Post();
    }

    private LogReader ReaderAt(long offset)
    {
        bool readsCommitted = position.ReadsCommitted;
        if (_reader is not null && readsCommitted == _readsCommitted)
        {
            _reader.Seek(offset);
            return _reader;
        }

        _reader?.Dispose();
        _readsCommitted = readsCommitted;
        _readable = 0;
        _reader = partition.OpenReader(offset, readsCommitted);
        return _reader;
    }

    /// <summary>Whether the record is there to stay; if not, there is news when it is.</summary>
    private bool IsWritten(long offset)
    {
        LogEnd end = partition.FindReadableEnd(out JournalPosition unwritten);
        _readable = _readsCommitted ? end.Stable : end.Offset;
        if (offset >= _readable && unwritten != JournalPosition.None)
        {
            (_write ??= new WriteWait(queue.Host, Tell)).Begin(unwritten);
        }

        return offset < _readable;
    }

    private void Load(long offset)
    {
        if (!_isLoading)
        {
            _isLoading = true;
            _loadOffset = offset;
            queue.Host.Scheduler.Post(this);
        }
    }

    private void Fail(IOException error)
    {
        _hasFailed = true;
        queue.Host.Logger.LogError(error, "Partition {Partition} of topic {Topic} is not delivered to the consumers of share group '{Group}' any more: a part of its log cannot be read. Stop the broker and run 'sluice verify' on its data directory", partition.Index, partition.Topic.Name, queue.Group);
    }
}

/// <summary>What <see cref="ShareFeed.Peek"/> found.</summary>
internal enum FeedResult : byte
{
    Record,

    /// <summary>Nothing now; when that changes the queue is served again.</summary>
    Nothing,

    /// <summary>The partition, or the position in it, is no more.</summary>
    Gone,
}
