using Sluice.Client.Connections;
using Sluice.Client.Metadata;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>What a member is after it has joined.</summary>
/// <param name="MemberId">Its id.</param>
/// <param name="Generation">Of the group.</param>
/// <param name="Assigned">What it is to read.</param>
/// <param name="WatchedCounts">The leader's: how many partitions the topics had when it distributed them; else null.</param>
internal sealed record ClassicGeneration(string MemberId, int Generation, TopicPartition[] Assigned, IReadOnlyDictionary<string, int>? WatchedCounts);

/// <summary>Joins a classic group: JoinGroup, the distribution if this member is the leader, SyncGroup; again and again until it holds.</summary>
internal sealed class ClassicJoin(ConsumerOptions options, CoordinatorClient coordinator, ClusterMetadata metadata)
{
    private const string ProtocolType = "consumer";

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>The id that the group gave last, also to a member whose join has not come to its end.</summary>
    public string MemberId { get; private set; } = "";

    /// <exception cref="KafkaClientException">The group does not take the member.</exception>
    public async Task<ClassicGeneration> RunAsync(string memberId, int generation, string[] topics, TopicPartition[] owned, CancellationToken cancel)
    {
        for (int failures = 0; ;)
        {
            KafkaErrorCode code;
            try
            {
                JoinGroupResponse joined = await JoinAsync(memberId, generation, topics, owned, cancel).ConfigureAwait(false);
                code = joined.ErrorCode;
                if (code == KafkaErrorCode.None)
                {
                    MemberId = memberId = joined.MemberId;
                    IReadOnlyDictionary<string, int>? counts = null;
                    SyncGroupRequest.SyncGroupRequestAssignment[] assignments = [];
                    if (joined.Leader == memberId)
                    {
                        (assignments, counts) = await DistributeAsync(joined, cancel).ConfigureAwait(false);
                    }

                    SyncGroupResponse synced = await SyncAsync(joined, assignments, cancel).ConfigureAwait(false);
                    code = synced.ErrorCode;
                    if (code == KafkaErrorCode.None)
                    {
                        return new ClassicGeneration(memberId, joined.GenerationId, GroupProtocolMessages.ReadAssignment(synced.Assignment), counts);
                    }
                }
                else if (code == KafkaErrorCode.MemberIdRequired)
                {
                    MemberId = memberId = joined.MemberId;
                    continue;
                }
            }
            catch (KafkaClientException error) when (error.IsRetriable)
            {
                code = error.ErrorCode;
            }
            catch (KafkaParseException error)
            {
                throw new KafkaClientException(KafkaErrorCode.InconsistentGroupProtocol, $"What a member of the group '{options.GroupId}' says is not understood: {error.Message}", error);
            }

            if (code is KafkaErrorCode.UnknownMemberId or KafkaErrorCode.IllegalGeneration)
            {
                memberId = "";
                generation = -1;
            }
            else if (code.IsStaleCoordinator())
            {
                coordinator.Forget();
            }
            else if (code != KafkaErrorCode.RebalanceInProgress && !code.IsRetriable())
            {
                throw KafkaClientException.Of(code, $"Joining the group '{options.GroupId}'");
            }

            if (code != KafkaErrorCode.RebalanceInProgress)
            {
                await Task.Delay(options.Backoff(++failures), options.Time, cancel).ConfigureAwait(false);
            }
        }
    }

    private Task<JoinGroupResponse> JoinAsync(string memberId, int generation, string[] topics, TopicPartition[] owned, CancellationToken cancel)
    {
        byte[] subscription = GroupProtocolMessages.WriteSubscription(topics, options.Assignors[0].IsCooperative ? owned : [], generation);
        var request = new JoinGroupRequest
        {
            GroupId = options.GroupId!,
            SessionTimeoutMs = (int)options.SessionTimeout.TotalMilliseconds,
            RebalanceTimeoutMs = (int)Math.Min(int.MaxValue, options.MaxPollInterval.TotalMilliseconds),
            MemberId = memberId,
            GroupInstanceId = options.GroupInstanceId,
            ProtocolType = ProtocolType,
            Protocols = [.. options.Assignors.Select(assignor => new JoinGroupRequest.JoinGroupRequestProtocol { Name = assignor.Name, Metadata = subscription })],
        };
        return coordinator.AskAsync<JoinGroupResponse>(ApiUse.JoinGroup, request, options.MaxPollInterval + Grace, cancel);
    }

    private Task<SyncGroupResponse> SyncAsync(JoinGroupResponse joined, SyncGroupRequest.SyncGroupRequestAssignment[] assignments, CancellationToken cancel)
    {
        var request = new SyncGroupRequest
        {
            GroupId = options.GroupId!,
            GenerationId = joined.GenerationId,
            MemberId = joined.MemberId,
            GroupInstanceId = options.GroupInstanceId,
            ProtocolType = ProtocolType,
            ProtocolName = joined.ProtocolName,
            Assignments = assignments,
        };
        return coordinator.AskAsync<SyncGroupResponse>(ApiUse.SyncGroup, request, options.MaxPollInterval + Grace, cancel);
    }

    private async Task<(SyncGroupRequest.SyncGroupRequestAssignment[] Assignments, Dictionary<string, int> Counts)> DistributeAsync(JoinGroupResponse joined, CancellationToken cancel)
    {
        IPartitionAssignor assignor = options.Assignors.FirstOrDefault(assignor => assignor.Name == joined.ProtocolName)
            ?? throw new KafkaClientException(KafkaErrorCode.InconsistentGroupProtocol, $"The group '{options.GroupId}' chose '{joined.ProtocolName}', which this member did not offer.");
        GroupMember[] members = Array.ConvertAll(joined.Members, member => GroupProtocolMessages.ReadMember(member.MemberId, member.GroupInstanceId, member.Metadata));
        string[] topics = [.. members.SelectMany(member => member.Topics).Distinct()];
        foreach (string topic in topics)
        {
            metadata.Track(topic);
        }

        if (!topics.All(topic => metadata.View.Topics.ContainsKey(topic)))
        {
            await metadata.RefreshOnceAsync(options.RequestTimeout, cancel).ConfigureAwait(false);
        }

        Dictionary<string, int> counts = Counts(topics);
        IReadOnlyDictionary<string, IReadOnlyList<TopicPartition>> assigned = assignor.Assign(members, counts.Where(entry => entry.Value > 0).ToDictionary());
        SyncGroupRequest.SyncGroupRequestAssignment[] assignments = Array.ConvertAll(members, member => new SyncGroupRequest.SyncGroupRequestAssignment
        {
            MemberId = member.Id,
            Assignment = GroupProtocolMessages.WriteAssignment(assigned.GetValueOrDefault(member.Id) ?? []),
        });
        return (assignments, counts);
    }

    /// <summary>How many partitions topics have; 0 for those that are not there.</summary>
    public Dictionary<string, int> Counts(IEnumerable<string> topics)
    {
        ClusterView view = metadata.View;
        return topics.ToDictionary(topic => topic, topic => view.Topics.TryGetValue(topic, out TopicView? found) ? found.Partitions.Length : 0);
    }
}
