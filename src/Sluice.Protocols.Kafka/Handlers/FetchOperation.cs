using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Producers;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>One fetch under way.</summary>
internal sealed class FetchOperation(KafkaRequest request, FetchRequest body, FetchSession session) : LongPoll(request, body.MaxWaitMs)
{
    private const sbyte ReadCommitted = 1;

    // Those of the request, whatever the session gets later. Its lock is not held while they are read: a disk may be slow.
    private readonly FetchedPartition[] _wanted = Copy(session);
    private int _unknownAtFirst = -1;

    private static FetchResponse.PartitionData Refused(FetchedPartition wanted, KafkaErrorCode error) => new()
    {
        PartitionIndex = wanted.Index,
        ErrorCode = error,
        HighWatermark = -1,
        Records = RecordsPayload.Empty,
    };

    private static FetchedPartition[] Copy(FetchSession session)
    {
        lock (session)
        {
            return [.. session.Partitions];
        }
    }

    private static bool IsUnknown(KafkaErrorCode error) =>
        error is KafkaErrorCode.UnknownTopicOrPartition or KafkaErrorCode.UnknownTopicId or KafkaErrorCode.TopicAuthorizationFailed;

    protected override bool IsInMemory()
    {
        foreach (FetchedPartition wanted in _wanted)
        {
            if (Find(wanted)?.FindPartition(wanted.Index) is { } partition && wanted.Offset < partition.MemoryStartOffset)
            {
                return false;
            }
        }

        return true;
    }

    protected override bool TryAnswer(bool isOver)
    {
        if (Read(isOver) is not { } response)
        {
            return false;
        }

        long bytes = response.Responses.Sum(static topic => topic.Partitions.Sum(static partition => (long)partition.Records.Length));
        Server.Metrics.CountFetched(bytes);
        response.ThrottleTimeMs = Request.Throttle(ClientQuotas.Fetch, bytes);
        Request.Reply(response);
        return true;
    }

    protected override IEnumerable<TopicPartition> Watched() => _wanted.Select(wanted => Find(wanted)?.FindPartition(wanted.Index)).OfType<TopicPartition>();

    private Topic? Find(FetchedPartition wanted) => session.UsesTopicIds ? Server.Host?.FindTopic(wanted.TopicId) : Server.Host?.FindTopic(wanted.Topic);

    /// <summary>The answer; null if it is worth waiting for more.</summary>
    /// <remarks>
    /// As in Kafka, partitions that the broker does not know, or does not show, end no wait for the others: a client that asks for a deleted topic would ask in a busy loop.
    /// </remarks>
    private FetchResponse? Read(bool isOver)
    {
        int unknown = 0;
        var read = new List<(FetchedPartition Wanted, FetchResponse.PartitionData Data)>(_wanted.Length);
        long bytesLeft = Math.Min(body.MaxBytes, Server.Options.FetchBytesMax);
        long bytes = 0;
        bool isUrgent = isOver || _wanted.Length == 0;
        foreach (FetchedPartition wanted in _wanted)
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
        isUrgent |= unknown == _wanted.Length || unknown > _unknownAtFirst;
        if (bytes >= body.MinBytes || isUrgent)
        {
            lock (session)
            {
                return Answer(read);
            }
        }

        foreach ((_, FetchResponse.PartitionData data) in read)
        {
            (data.Records.Source as IDisposable)?.Dispose();
        }

        return null;
    }

    private FetchResponse.PartitionData Read(FetchedPartition wanted, long bytesLeft, bool isFirst)
    {
        if (Find(wanted) is not { } topic)
        {
            return Refused(wanted, session.UsesTopicIds ? KafkaErrorCode.UnknownTopicId : KafkaErrorCode.UnknownTopicOrPartition);
        }

        if (!Request.AllowsTopic(AclOperation.Read, topic.Name))
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

        (long end, long stable) = ReadableEnd(partition);
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
        // What is gone from a queue was settled: a hole, not a loss. What is appended and not written yet is waited for.
        if (isAhead || (wanted.Offset < start && !partition.IsQueue) || wanted.Offset > partition.EndOffset)
        {
            data.ErrorCode = KafkaErrorCode.OffsetOutOfRange;
            data.HighWatermark = -1;
            data.LastStableOffset = -1;
            data.LogStartOffset = -1;
            return data;
        }

        try
        {
            long offset = wanted.Offset;
            IReadOnlyList<AbortedTransaction> aborted = [];
            if (SliceChain.Read(partition, offset, limit, Math.Min(bytesLeft, wanted.BytesMax), isFirst) is { } chain)
            {
                data.Records = RecordsPayload.FromSource(chain, 0, (int)chain.Length);
                aborted = body.IsolationLevel == ReadCommitted ? partition.CollectAborted(offset, chain.EndOffset < 0 ? limit : chain.EndOffset) : aborted;
            }

            if (body.IsolationLevel == ReadCommitted)
            {
                // Those of the records that the client gets, as there may be very many up to the last stable offset.
                data.AbortedTransactions = [.. aborted.Select(static aborted => new FetchResponse.AbortedTransaction
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
}
