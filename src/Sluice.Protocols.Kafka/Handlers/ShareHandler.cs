using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ShareFetch, ShareAcknowledge: members of share groups get records and say what becomes of them (KIP-932).</summary>
internal sealed class ShareHandler(KafkaServer server)
{
    private const int MemberIdMax = 36;

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ShareFetchRequest body)
    {
        KafkaErrorCode error = Check(request, body.GroupId, body.MemberId);
        if (error != KafkaErrorCode.None)
        {
            return new ShareFetchResponse { ErrorCode = error };
        }

        bool isRenewal = body.IsRenewAck;
        if (isRenewal && (body.MaxBytes, body.MinBytes, body.MaxRecords, body.MaxWaitMs) != (0, 0, 0, 0))
        {
            return new ShareFetchResponse { ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = "maxBytes, minBytes, maxRecords and maxWaitMs must be set to 0 if isRenewAck is true." };
        }

        error = Open(request, body, out ShareSession? session);
        if (error == KafkaErrorCode.ShareSessionLimitReached)
        {
            // A member that can't be served is not to ask in a busy loop.
            var delay = new Delay(request, body.MaxWaitMs);
            delay.Start();
            await delay.Over.ConfigureAwait(false);
        }

        if (error != KafkaErrorCode.None)
        {
            return new ShareFetchResponse { ErrorCode = error };
        }

        Task<(Guid TopicId, int Index, KafkaErrorCode Error)[]> acknowledged = ShareAcknowledgements.HandleAsync(
            request,
            body.GroupId!,
            body.MemberId!,
            isRenewal,
            body.Topics.SelectMany(static topic => topic.Partitions.Select(partition => ShareAcknowledgement.Of(topic.TopicId, partition))).Where(static one => one.Batches.Count > 0));
        ShareSettings settings = server.Shares.SettingsOf(body.GroupId!);
        List<ShareFetched> fetched = isRenewal || body.ShareSessionEpoch == ShareSessions.FinalEpoch ? [] : await FetchAsync(request, body, session!, settings).ConfigureAwait(false);
        (Guid TopicId, int Index, KafkaErrorCode Error)[] outcomes = await acknowledged.ConfigureAwait(false);
        if (body.ShareSessionEpoch == ShareSessions.FinalEpoch)
        {
            await server.Shares.EndAsync(session!).ConfigureAwait(false);
        }

        return Answer(fetched, outcomes, settings);
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ShareAcknowledgeRequest body)
    {
        KafkaErrorCode error = Check(request, body.GroupId, body.MemberId);
        ShareSession? session = null;
        if (error == KafkaErrorCode.None)
        {
            error = body.ShareSessionEpoch == ShareSessions.InitialEpoch ? KafkaErrorCode.InvalidShareSessionEpoch
                : server.Shares.Sessions.Continue(body.GroupId!, body.MemberId!, body.ShareSessionEpoch, out session);
        }

        if (error != KafkaErrorCode.None)
        {
            return new ShareAcknowledgeResponse { ErrorCode = error };
        }

        (Guid TopicId, int Index, KafkaErrorCode Error)[] outcomes = await ShareAcknowledgements.HandleAsync(
            request,
            body.GroupId!,
            body.MemberId!,
            body.IsRenewAck,
            body.Topics.SelectMany(static topic => topic.Partitions.Select(partition => ShareAcknowledgement.Of(topic.TopicId, partition)))).ConfigureAwait(false);
        if (body.ShareSessionEpoch == ShareSessions.FinalEpoch)
        {
            await server.Shares.EndAsync(session!).ConfigureAwait(false);
        }

        return new ShareAcknowledgeResponse
        {
            AcquisitionLockTimeoutMs = server.Shares.SettingsOf(body.GroupId!).RecordLockDurationMs,
            Responses = [.. outcomes.GroupBy(static outcome => outcome.TopicId).Select(static topic => new ShareAcknowledgeResponse.ShareAcknowledgeTopicResponse
            {
                TopicId = topic.Key,
                Partitions = [.. topic.Select(static outcome => new ShareAcknowledgeResponse.PartitionData { PartitionIndex = outcome.Index, ErrorCode = outcome.Error })],
            })],
        };
    }

    private static KafkaErrorCode Check(KafkaRequest request, string? groupId, string? memberId) =>
        groupId is null ? KafkaErrorCode.InvalidRequest
        : !request.AllowsGroup(AclOperation.Read, groupId) ? KafkaErrorCode.GroupAuthorizationFailed
        : memberId is null or { Length: 0 or > MemberIdMax } ? KafkaErrorCode.InvalidRequest
        : KafkaErrorCode.None;

    private static ShareFetchResponse Answer(List<ShareFetched> fetched, (Guid TopicId, int Index, KafkaErrorCode Error)[] acknowledged, ShareSettings settings)
    {
        Dictionary<(Guid, int), ShareFetchResponse.PartitionData> told = fetched.ToDictionary(static part => (part.TopicId, part.Data.PartitionIndex), static part => part.Data);
        foreach ((Guid topicId, int index, KafkaErrorCode error) in acknowledged)
        {
            if (!told.TryGetValue((topicId, index), out ShareFetchResponse.PartitionData? data))
            {
                data = new ShareFetchResponse.PartitionData { PartitionIndex = index, Records = RecordsPayload.Empty };
                told.Add((topicId, index), data);
                fetched.Add(new ShareFetched(topicId, data));
            }

            data.AcknowledgeErrorCode = error;
        }

        return new ShareFetchResponse
        {
            AcquisitionLockTimeoutMs = settings.RecordLockDurationMs,
            Responses = [.. fetched.GroupBy(static part => part.TopicId).Select(static topic => new ShareFetchResponse.ShareFetchableTopicResponse
            {
                TopicId = topic.Key,
                Partitions = [.. topic.Select(static part => part.Data)],
            })],
        };
    }

    /// <summary>The session that the request begins, goes on with or ends, brought up to date with it.</summary>
    private KafkaErrorCode Open(KafkaRequest request, ShareFetchRequest body, out ShareSession? session)
    {
        session = null;
        bool begins = body.ShareSessionEpoch == ShareSessions.InitialEpoch;
        if (begins && body.Topics.Any(static topic => topic.Partitions.Any(static partition => partition.AcknowledgementBatches.Length > 0)))
        {
            return KafkaErrorCode.InvalidRequest;
        }

        KafkaErrorCode error = begins
            ? server.Shares.Sessions.Begin(body.GroupId!, body.MemberId!, out session)
            : server.Shares.Sessions.Continue(body.GroupId!, body.MemberId!, body.ShareSessionEpoch, out session);
        if (error != KafkaErrorCode.None || body.ShareSessionEpoch == ShareSessions.FinalEpoch)
        {
            return error;
        }

        lock (session!)
        {
            foreach ((Guid topicId, int index) in body.Topics.SelectMany(static topic => topic.Partitions.Select(partition => (topic.TopicId, partition.PartitionIndex))))
            {
                if (!session.TryAdd(topicId, index))
                {
                    error = KafkaErrorCode.ShareSessionLimitReached;
                    break;
                }
            }

            foreach ((Guid topicId, int index) in body.ForgottenTopicsData.SelectMany(static topic => topic.Partitions.Select(index => (topic.TopicId, index))))
            {
                session.Remove(topicId, index);
            }
        }

        if (error != KafkaErrorCode.None)
        {
            _ = server.Shares.EndAsync(session);
            return error;
        }

        if (begins)
        {
            session.Ending = request.Connection.Ended.UnsafeRegister(state => _ = server.Shares.EndAsync((ShareSession)state!), session);
        }

        return KafkaErrorCode.None;
    }

    private async Task<List<ShareFetched>> FetchAsync(KafkaRequest request, ShareFetchRequest body, ShareSession session, ShareSettings settings)
    {
        SharedPartition[] wanted;
        lock (session)
        {
            wanted = [.. session.Partitions];
        }

        var targets = new List<ShareFetchTarget>(wanted.Length);
        var refused = new List<ShareFetched>();
        foreach (SharedPartition partition in wanted)
        {
            (KafkaErrorCode error, ShareFetchTarget target) = await FindAsync(request, body.GroupId!, partition).ConfigureAwait(false);
            if (error == KafkaErrorCode.None)
            {
                targets.Add(target);
            }

            if (error != KafkaErrorCode.None || partition.HadError)
            {
                refused.Add(new ShareFetched(partition.TopicId, new ShareFetchResponse.PartitionData { PartitionIndex = partition.Index, ErrorCode = error, Records = RecordsPayload.Empty }));
            }

            partition.HadError = error != KafkaErrorCode.None;
        }

        var operation = new ShareFetchOperation(request, body, targets, settings);
        operation.Start();
        List<ShareFetched> fetched = await operation.Answer.ConfigureAwait(false);
        HashSet<(Guid, int)> told = [.. fetched.Select(static part => (part.TopicId, part.Data.PartitionIndex))];
        fetched.AddRange(refused.Where(part => !told.Contains((part.TopicId, part.Data.PartitionIndex))));
        return fetched;
    }

    private async ValueTask<(KafkaErrorCode Error, ShareFetchTarget Target)> FindAsync(KafkaRequest request, string groupId, SharedPartition partition)
    {
        if (server.Host?.FindTopic(partition.TopicId) is not { } topic)
        {
            return (KafkaErrorCode.UnknownTopicId, default);
        }

        if (!request.AllowsTopic(AclOperation.Read, topic.Name))
        {
            return (KafkaErrorCode.TopicAuthorizationFailed, default);
        }

        if (topic.FindPartition(partition.Index) is not { IsOpen: true } log)
        {
            return (KafkaErrorCode.UnknownTopicOrPartition, default);
        }

        if (log.IsQueue)
        {
            // What a member accepts would stay in the queue, whose own consumers settle it.
            return (KafkaErrorCode.PolicyViolation, default);
        }

        if (partition.Position is null or { IsGone: true })
        {
            try
            {
                (KafkaErrorCode error, partition.Position) = await server.Shares.OpenAsync(groupId, log).ConfigureAwait(false);
                if (error != KafkaErrorCode.None)
                {
                    return (error, default);
                }
            }
            catch (LogFailedException)
            {
                return (KafkaErrorCode.KafkaStorageError, default);
            }
        }

        return (KafkaErrorCode.None, new ShareFetchTarget(topic.Id, log, partition.Position!));
    }

    /// <summary>Does nothing until the client's time is over.</summary>
    private sealed class Delay(KafkaRequest request, int waitMs) : LongPoll(request, waitMs)
    {
        private readonly TaskCompletionSource _over = new();

        public Task Over => _over.Task;

        protected override bool IsInMemory() => true;

        protected override bool TryAnswer(bool isOver) => isOver && _over.TrySetResult();

        protected override IEnumerable<TopicPartition> Watched() => [];
    }
}
