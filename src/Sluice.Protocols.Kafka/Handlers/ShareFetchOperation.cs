using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>A partition that a share fetch reads.</summary>
/// <param name="TopicId">Its topic.</param>
/// <param name="Log">The partition.</param>
/// <param name="Position">Of the group.</param>
internal readonly record struct ShareFetchTarget(Guid TopicId, TopicPartition Log, SharePartition Position);

/// <summary>What a share fetch has to say of a partition.</summary>
internal readonly record struct ShareFetched(Guid TopicId, ShareFetchResponse.PartitionData Data);

/// <summary>
/// One share fetch under way: reads what its group reads next in each partition, and gives the member of it what is available. Records go out as slices of the log, from the
/// first batch of which the member gets something to the last.
/// </summary>
internal sealed class ShareFetchOperation(KafkaRequest request, ShareFetchRequest body, IReadOnlyList<ShareFetchTarget> targets, ShareSettings settings) : LongPoll(request, body.MaxWaitMs), IShareListener
{
    /// <summary>What is read of a partition at a time, though the client may take more.</summary>
    private const int PartitionBytesMax = 1 << 20;

    private const sbyte RecordLimitMode = 1;

    private readonly TaskCompletionSource<List<ShareFetched>> _answer = new();

    /// <summary>What was acquired, and what went wrong.</summary>
    public Task<List<ShareFetched>> Answer => _answer.Task;

    void IShareListener.OnChanged() => Post();

    protected override bool IsInMemory()
    {
        foreach (ShareFetchTarget target in targets)
        {
            if (Plan(target, out long? offset) == KafkaErrorCode.None && offset < target.Log.MemoryStartOffset)
            {
                return false;
            }
        }

        return true;
    }

    protected override bool TryAnswer(bool isOver)
    {
        var answer = new List<ShareFetched>();
        if (!Request.Connection.Ended.IsCancellationRequested && body.MaxRecords > 0 && body.MaxBytes > 0 && !TryAcquire(answer, isOver || targets.Count == 0))
        {
            return false;
        }

        long bytes = 0;
        foreach (ShareFetched fetched in answer)
        {
            bytes += fetched.Data.Records.Length;
        }

        Server.Metrics.CountFetched(bytes);
        _answer.SetResult(answer);
        return true;
    }

    protected override IEnumerable<TopicPartition> Watched() => targets.Select(static target => target.Log);

    protected override void Watch()
    {
        foreach (ShareFetchTarget target in targets)
        {
            target.Position.Shard.AddListener(target.Position, this);
        }

        base.Watch();
    }

    protected override void Finish()
    {
        base.Finish();
        foreach (ShareFetchTarget target in targets)
        {
            target.Position.Shard.RemoveListener(target.Position, this);
        }
    }

    protected override void Fail(Exception error)
    {
        // Who waits for the answer says so.
        if (!_answer.TrySetException(error))
        {
            base.Fail(error);
        }
    }

    private static ShareFetched Refused(ShareFetchTarget target, KafkaErrorCode error) =>
        new(target.TopicId, new ShareFetchResponse.PartitionData { PartitionIndex = target.Log.Index, ErrorCode = error, Records = RecordsPayload.Empty });

    private KafkaErrorCode Plan(ShareFetchTarget target, out long? offset)
    {
        offset = null;
        return target.Log.IsOpen ? target.Position.Shard.Plan(target.Position, target.Log.StartOffset, settings, out offset) : KafkaErrorCode.UnknownTopicOrPartition;
    }

    /// <summary>False if it is worth waiting for more; then nothing is acquired.</summary>
    private bool TryAcquire(List<ShareFetched> answer, bool isOver)
    {
        long bytesMax = Math.Min(body.MaxBytes, Server.Options.FetchBytesMax);
        List<(ShareFetchTarget Target, long Offset, SliceChain Chain)> read = Read(bytesMax, answer);
        bool isUrgent = isOver || answer.Count > 0;
        if (!isUrgent && read.Sum(static part => part.Chain.Length) < Math.Min(body.MinBytes, bytesMax))
        {
            read.ForEach(static part => part.Chain.Dispose());
            return false;
        }

        int recordsLeft = body.MaxRecords;
        foreach ((ShareFetchTarget target, long offset, SliceChain chain) in read)
        {
            ShareFetchResponse.PartitionData? data;
            try
            {
                data = Acquire(target, offset, chain, recordsLeft);
            }
            catch (IOException)
            {
                chain.Dispose();
                answer.Add(Refused(target, KafkaErrorCode.KafkaStorageError));
                continue;
            }

            if (data is not null)
            {
                recordsLeft -= (int)Math.Min(recordsLeft, data.AcquiredRecords.Sum(static run => run.LastOffset - run.FirstOffset + 1));
                answer.Add(new ShareFetched(target.TopicId, data));
            }
            else
            {
                chain.Dispose();
            }
        }

        return isUrgent || answer.Count > 0 || body.MinBytes <= 0;
    }

    private List<(ShareFetchTarget Target, long Offset, SliceChain Chain)> Read(long bytesMax, List<ShareFetched> answer)
    {
        var read = new List<(ShareFetchTarget, long, SliceChain)>(targets.Count);
        foreach (ShareFetchTarget target in targets)
        {
            KafkaErrorCode error = Plan(target, out long? offset);
            if (error == KafkaErrorCode.None && offset is { } from)
            {
                try
                {
                    (long end, long stable) = ReadableEnd(target.Log);
                    long limit = settings.ReadsCommitted ? stable : end;
                    if (SliceChain.Read(target.Log, from, limit, Math.Min(bytesMax, PartitionBytesMax), isFirst: read.Count == 0) is { } chain)
                    {
                        bytesMax -= chain.Length;
                        read.Add((target, from, chain));
                    }
                }
                catch (LogFailedException)
                {
                    error = KafkaErrorCode.KafkaStorageError;
                }
            }

            if (error != KafkaErrorCode.None)
            {
                answer.Add(Refused(target, error));
            }
        }

        return read;
    }

    /// <summary>What the member gets; null: nothing of it is available any more.</summary>
    /// <exception cref="IOException">The records can't be read.</exception>
    private ShareFetchResponse.PartitionData? Acquire(ShareFetchTarget target, long offset, SliceChain chain, int recordsMax)
    {
        if (recordsMax <= 0)
        {
            return null;
        }

        // No more than this can be in flight, so nothing behind it can be acquired.
        List<BatchSpan> batches = BatchScanner.Scan(chain, offset + settings.InFlightMax + recordsMax);
        IReadOnlyList<AbortedTransaction> aborted = settings.ReadsCommitted && batches.Count > 0 ? target.Log.CollectAborted(offset, batches[^1].Last + 1) : [];
        var wanted = new AcquireRequest(body.MemberId!, 0, recordsMax, body.ShareAcquireMode == RecordLimitMode, body.BatchSize, settings.InFlightMax, settings.DeliveryCountMax);
        List<DeliveryRun> acquired = target.Position.Shard.Acquire(target.Position, offset, batches, aborted, wanted, settings.RecordLockDurationMs);
        if (acquired.Count == 0)
        {
            return null;
        }

        int first = batches.FindLastIndex(batch => batch.First <= acquired[0].First);
        int last = batches.FindLastIndex(batch => batch.First <= acquired[^1].Last);
        first = Math.Max(first, 0);
        last = Math.Max(last, first);
        chain.Keep(batches[first].Position, batches[last].Position + batches[last].Size - batches[first].Position);
        return new ShareFetchResponse.PartitionData
        {
            PartitionIndex = target.Log.Index,
            Records = RecordsPayload.FromSource(chain, 0, (int)chain.Length),
            AcquiredRecords = [.. acquired.Select(static run => new ShareFetchResponse.AcquiredRecordsData { FirstOffset = run.First, LastOffset = run.Last, DeliveryCount = run.DeliveryCount })],
        };
    }
}
