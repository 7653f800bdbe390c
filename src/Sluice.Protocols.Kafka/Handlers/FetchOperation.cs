using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Security;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>
/// One fetch under way: reads what there is, and if that is too little waits for appends until the client's time is over. Reads where the connection is served as long as all is in
/// memory, else where blocking is no harm. Attempts never overlap.
/// </summary>
internal sealed class FetchOperation(KafkaRequest request, FetchRequest body, FetchSession session) : IPartitionListener, IThreadPoolWorkItem
{
    private const sbyte ReadCommitted = 1;

    private readonly List<TopicPartition> _watched = [];
    private readonly Lock _sync = new();
    private ITimer? _timer;
    private CancellationTokenRegistration _registration;
    private volatile bool _isTimeOver;
    private bool _isDone;
    private bool _isActive = true;
    private bool _isWantedAgain;
    private bool _isToBlock;
    private bool _isWaiting;
    private int _unknownAtFirst = -1;

    private KafkaServer Server => request.Server;

    public void Start()
    {
        _isTimeOver = body.MaxWaitMs <= 0;
        TryAttempt();
    }

    /// <summary>Something was appended. Under the partition's lock.</summary>
    void IPartitionListener.OnChanged(TopicPartition partition) => Post();

    void IThreadPoolWorkItem.Execute()
    {
        if (_isToBlock)
        {
            Attempt();
        }
        else
        {
            TryAttempt();
        }
    }

    private static FetchResponse.PartitionData Refused(FetchedPartition wanted, KafkaErrorCode error) => new()
    {
        PartitionIndex = wanted.Index,
        ErrorCode = error,
        HighWatermark = -1,
        Records = RecordsPayload.Empty,
    };

    private static bool IsUnknown(KafkaErrorCode error) =>
        error is KafkaErrorCode.UnknownTopicOrPartition or KafkaErrorCode.UnknownTopicId or KafkaErrorCode.TopicAuthorizationFailed;

    private bool IsInMemory()
    {
        lock (session)
        {
            foreach (FetchedPartition wanted in session.Partitions)
            {
                if (Find(wanted)?.FindPartition(wanted.Index) is { } partition && wanted.Offset < partition.MemoryStartOffset)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private void OnTimer()
    {
        _isTimeOver = true;
        Post();
    }

    private void Post()
    {
        lock (_sync)
        {
            if (_isDone || _isActive)
            {
                _isWantedAgain = true;
                return;
            }

            _isActive = true;
        }

        request.Connection.Client.Post(this);
    }

    /// <summary>Attempts it here if that does not wait for a disk.</summary>
    private void TryAttempt()
    {
        if (IsInMemory())
        {
            Attempt();
        }
        else
        {
            _isToBlock = true;
            Server.Scheduler.Post(this);
        }
    }

    private void Attempt()
    {
        _isToBlock = false;
        lock (_sync)
        {
            _isWantedAgain = false;
        }

        bool isOver = _isTimeOver || request.Connection.Ended.IsCancellationRequested;
        FetchResponse? response = Read(isOver, out bool wantsToWait);
        if (response is null && wantsToWait && !_isWaiting)
        {
            // What is appended from here on is heard of; what was appended before is seen by another look.
            Watch();
            response = Read(isOver, out _);
        }

        if (response is not null)
        {
            Finish(response);
            return;
        }

        lock (_sync)
        {
            _isActive = _isWantedAgain;
        }

        if (_isActive)
        {
            request.Connection.Client.Post(this);
        }
    }

    private Topic? Find(FetchedPartition wanted) => session.UsesTopicIds ? Server.Host?.FindTopic(wanted.TopicId) : Server.Host?.FindTopic(wanted.Topic);

    /// <summary>The answer; null if it is worth waiting for more.</summary>
    /// <remarks>
    /// As in Kafka, partitions that the broker does not know, or does not show, end no wait for the others: a client that asks for a deleted topic would ask in a busy loop.
    /// </remarks>
    private FetchResponse? Read(bool isOver, out bool wantsToWait)
    {
        lock (session)
        {
            int unknown = 0;
            var read = new List<(FetchedPartition Wanted, FetchResponse.PartitionData Data)>(session.Partitions.Count);
            long bytesLeft = Math.Min(body.MaxBytes, Server.Options.FetchBytesMax);
            long bytes = 0;
            bool isUrgent = isOver || session.Partitions.Count == 0;
            foreach (FetchedPartition wanted in session.Partitions)
            {
                FetchResponse.PartitionData data = Read(wanted, bytesLeft, isFirst: bytes == 0);
                int length = data.Records.Length;
                bytes += length;
                bytesLeft -= length;
                unknown += IsUnknown(data.ErrorCode) ? 1 : 0;
                isUrgent |= data.ErrorCode != KafkaErrorCode.None && !IsUnknown(data.ErrorCode);
                read.Add((wanted, data));
            }

            _unknownAtFirst = _unknownAtFirst < 0 ? unknown : _unknownAtFirst;
            isUrgent |= unknown == session.Partitions.Count || unknown > _unknownAtFirst;
            wantsToWait = bytes < body.MinBytes && !isUrgent;
            if (!wantsToWait)
            {
                return Answer(read);
            }

            foreach ((_, FetchResponse.PartitionData data) in read)
            {
                (data.Records.Source as IDisposable)?.Dispose();
            }

            return null;
        }
    }

    private FetchResponse.PartitionData Read(FetchedPartition wanted, long bytesLeft, bool isFirst)
    {
        if (Find(wanted) is not { } topic)
        {
            return Refused(wanted, session.UsesTopicIds ? KafkaErrorCode.UnknownTopicId : KafkaErrorCode.UnknownTopicOrPartition);
        }

        if (!request.Allows(Access.Read, topic.Name))
        {
            return Refused(wanted, KafkaErrorCode.TopicAuthorizationFailed);
        }

        if (topic.FindPartition(wanted.Index) is not { IsOpen: true } partition)
        {
            return Refused(wanted, KafkaErrorCode.UnknownTopicOrPartition);
        }

        if (wanted.CurrentLeaderEpoch > KafkaServer.LeaderEpoch)
        {
            return Refused(wanted, KafkaErrorCode.UnknownLeaderEpoch);
        }

        long stable = partition.LastStableOffset;
        long end = partition.EndOffset;
        long start = partition.StartOffset;
        bool isAhead = wanted.LastFetchedEpoch > KafkaServer.LeaderEpoch;
        long limit = body.IsolationLevel == ReadCommitted ? stable : end;
        var data = new FetchResponse.PartitionData
        {
            PartitionIndex = wanted.Index,
            HighWatermark = end,
            LastStableOffset = stable,
            LogStartOffset = start,
            AbortedTransactions = null,
            Records = RecordsPayload.Empty,
        };
        // What is gone from a queue was settled: a hole, not a loss.
        if (isAhead || (wanted.Offset < start && !partition.IsQueue) || wanted.Offset > end)
        {
            data.ErrorCode = KafkaErrorCode.OffsetOutOfRange;
            data.HighWatermark = -1;
            data.LastStableOffset = -1;
            data.LogStartOffset = -1;
            return data;
        }

        try
        {
            if (ReadRecords(partition, wanted, limit, Math.Min(bytesLeft, wanted.BytesMax), isFirst) is { } chain)
            {
                data.Records = RecordsPayload.FromSource(chain, 0, (int)chain.Length);
            }

            if (body.IsolationLevel == ReadCommitted)
            {
                data.AbortedTransactions = [.. partition.CollectAborted(wanted.Offset, limit).Select(static aborted => new FetchResponse.AbortedTransaction
                {
                    ProducerId = aborted.ProducerId,
                    FirstOffset = aborted.FirstOffset,
                })];
            }
        }
        catch (LogFailedException)
        {
            return Refused(wanted, KafkaErrorCode.KafkaStorageError);
        }

        return data;
    }

    /// <summary>Null if there is nothing, or no room for it. The first batch of an answer is taken whatever its size (KIP-74).</summary>
    private static SliceChain? ReadRecords(TopicPartition partition, FetchedPartition wanted, long limit, long bytesMax, bool isFirst)
    {
        SliceChain? chain = null;
        long offset = wanted.Offset;
        while (offset < limit && (bytesMax > 0 || (isFirst && chain is null)))
        {
            if (partition.Read(offset, (int)Math.Max(bytesMax, 0), limit) is not { } slice)
            {
                break;
            }

            if (slice.Length > bytesMax && !(isFirst && chain is null))
            {
                slice.Dispose();
                break;
            }

            chain ??= new SliceChain();
            chain.Add(slice);
            bytesMax -= slice.Length;
            offset = slice.EndOffset;
            if (offset < 0)
            {
                break;
            }
        }

        return chain;
    }

    private FetchResponse Answer(List<(FetchedPartition Wanted, FetchResponse.PartitionData Data)> read)
    {
        var topics = new List<FetchResponse.FetchableTopicResponse>();
        var partitions = new List<FetchResponse.PartitionData>();
        FetchedPartition? last = null;
        foreach ((FetchedPartition wanted, FetchResponse.PartitionData data) in read)
        {
            bool isNews = data.Records.Length > 0 || data.ErrorCode != KafkaErrorCode.None || wanted.HadError
                || data.HighWatermark != wanted.HighWatermark || data.LastStableOffset != wanted.LastStableOffset || data.LogStartOffset != wanted.StartOffset;
            wanted.HighWatermark = data.HighWatermark;
            wanted.LastStableOffset = data.LastStableOffset;
            wanted.StartOffset = data.LogStartOffset;
            wanted.HadError = data.ErrorCode != KafkaErrorCode.None;
            if (session.IsIncremental && !isNews)
            {
                continue;
            }

            if (last is not null && (last.Topic != wanted.Topic || last.TopicId != wanted.TopicId))
            {
                topics.Add(new FetchResponse.FetchableTopicResponse { Topic = last.Topic, TopicId = last.TopicId, Partitions = [.. partitions] });
                partitions.Clear();
            }

            partitions.Add(data);
            last = wanted;
        }

        if (last is not null)
        {
            topics.Add(new FetchResponse.FetchableTopicResponse { Topic = last.Topic, TopicId = last.TopicId, Partitions = [.. partitions] });
        }

        if (session.Id != 0)
        {
            foreach ((FetchedPartition wanted, FetchResponse.PartitionData data) in read)
            {
                if (data.Records.Length > 0)
                {
                    session.MoveToEnd(wanted);
                }
            }
        }

        return new FetchResponse { SessionId = session.Id, Responses = [.. topics] };
    }

    private void Watch()
    {
        _isWaiting = true;
        lock (session)
        {
            foreach (FetchedPartition wanted in session.Partitions)
            {
                if (Find(wanted)?.FindPartition(wanted.Index) is { } partition)
                {
                    partition.AddListener(this);
                    _watched.Add(partition);
                }
            }
        }

        _timer = Server.Clock.CreateTimer(static state => ((FetchOperation)state!).OnTimer(), this, TimeSpan.FromMilliseconds(body.MaxWaitMs), Timeout.InfiniteTimeSpan);
        _registration = request.Connection.Ended.UnsafeRegister(static state => ((FetchOperation)state!).Post(), this);
    }

    private void Finish(FetchResponse response)
    {
        lock (_sync)
        {
            _isDone = true;
        }

        _timer?.Dispose();
        _registration.Unregister();
        foreach (TopicPartition partition in _watched)
        {
            partition.RemoveListener(this);
        }

        response.ThrottleTimeMs = request.Throttle(ClientQuotas.Fetch, response.Responses.Sum(static topic => topic.Partitions.Sum(static partition => (long)partition.Records.Length)));
        request.Reply(response);
    }
}
