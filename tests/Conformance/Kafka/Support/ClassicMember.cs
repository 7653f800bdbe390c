using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A consumer that speaks the classic protocol and assigns cooperatively: it gives up what it is told to, and says so when it joins again.</summary>
public sealed class ClassicMember(RawClient client, string group, string topic, string? instance = null)
{
    private int[] _owned = [];

    public RawClient Client => client;

    public string Id { get; private set; } = "";

    public int Generation { get; private set; } = -1;

    /// <summary>Of the last join.</summary>
    public JoinGroupResponse Joined { get; private set; } = new();

    /// <summary>Indexes of the partitions that it reads.</summary>
    public IReadOnlyList<int> Owned => _owned;

    /// <summary>What the leader of a classic group says: so many partitions to each, in order.</summary>
    public static SyncGroupRequest.SyncGroupRequestAssignment[] Divide(string topic, int partitions, params string[] members) => [.. members.Select((member, place) => new SyncGroupRequest.SyncGroupRequestAssignment
    {
        MemberId = member,
        Assignment = Written(writer => new ConsumerProtocolAssignment
        {
            AssignedPartitions = [new() { Topic = topic, Partitions = [.. Enumerable.Range(0, partitions).Where(index => index % members.Length == place)] }],
        }.WriteRecord(writer, 3)),
    })];

    /// <summary>Joins with the id that it has, or asks for one; waits for the answer.</summary>
    public async Task<KafkaErrorCode> JoinAsync(string protocol = "cooperative-sticky", string type = "consumer")
    {
        JoinGroupResponse response = await client.AskAsync<JoinGroupResponse>(Request(protocol, type), 9);
        while (response.ErrorCode is KafkaErrorCode.MemberIdRequired or KafkaErrorCode.CoordinatorNotAvailable or KafkaErrorCode.NotCoordinator or KafkaErrorCode.CoordinatorLoadInProgress)
        {
            if (response.ErrorCode == KafkaErrorCode.MemberIdRequired)
            {
                Id = response.MemberId;
            }
            else
            {
                // The topic that keeps groups is being made.
                await client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 0, CoordinatorKeys = [group] }, 4);
                await Task.Delay(50);
            }

            response = await client.AskAsync<JoinGroupResponse>(Request(protocol, type), 9);
        }

        if (response.ErrorCode == KafkaErrorCode.None)
        {
            Joined = response;
            Id = response.MemberId;
            Generation = response.GenerationId;
        }

        return response.ErrorCode;
    }

    public async Task<KafkaErrorCode> SyncAsync(SyncGroupRequest.SyncGroupRequestAssignment[]? assignments = null, string? protocol = null)
    {
        SyncGroupResponse response = await client.AskAsync<SyncGroupResponse>(
            new SyncGroupRequest
            {
                GroupId = group,
                MemberId = Id,
                GroupInstanceId = instance,
                GenerationId = Generation,
                ProtocolType = Joined.ProtocolType,
                ProtocolName = protocol ?? Joined.ProtocolName,
                Assignments = assignments ?? [],
            },
            5);
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            _owned = [.. ConsumerProtocolAssignment.ReadRecord(response.Assignment).AssignedPartitions.SelectMany(static assigned => assigned.Partitions).Order()];
        }

        return response.ErrorCode;
    }

    public async Task<KafkaErrorCode> HeartbeatAsync(int? generation = null) => (await client.AskAsync<HeartbeatResponse>(
        new HeartbeatRequest { GroupId = group, MemberId = Id, GroupInstanceId = instance, GenerationId = generation ?? Generation }, 4)).ErrorCode;

    public async Task<KafkaErrorCode> LeaveAsync() => Assert.Single((await client.AskAsync<LeaveGroupResponse>(
        new LeaveGroupRequest { GroupId = group, Members = [new() { MemberId = Id, GroupInstanceId = instance }] }, 5)).Members).ErrorCode;

    public async Task<KafkaErrorCode> CommitAsync(int partition, long offset, int? generation = null)
    {
        OffsetCommitResponse response = await client.AskAsync<OffsetCommitResponse>(
            new OffsetCommitRequest
            {
                GroupId = group,
                MemberId = Id,
                GroupInstanceId = instance,
                GenerationIdOrMemberEpoch = generation ?? Generation,
                Topics = [new() { Name = topic, Partitions = [new() { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = "" }] }],
            },
            8);
        return Assert.Single(Assert.Single(response.Topics).Partitions).ErrorCode;
    }

    /// <summary>A heartbeat, and what follows from it in a consumer group.</summary>
    public async Task FollowAsync()
    {
        KafkaErrorCode error = await HeartbeatAsync();
        while (error == KafkaErrorCode.RebalanceInProgress)
        {
            Assert.Equal(KafkaErrorCode.None, await JoinAsync());
            error = await SyncAsync();
        }

        Assert.Equal(KafkaErrorCode.None, error);
    }

    private static byte[] Written(Action<KafkaWriter> write)
    {
        using var writer = new KafkaWriter(new BufferPool());
        write(writer);
        return writer.ToArray();
    }

    private JoinGroupRequest Request(string protocol, string type) => new()
    {
        GroupId = group,
        MemberId = Id,
        GroupInstanceId = instance,
        ProtocolType = type,
        SessionTimeoutMs = 30_000,
        RebalanceTimeoutMs = 60_000,
        Protocols =
        [
            new()
            {
                Name = protocol,
                Metadata = Written(writer => new ConsumerProtocolSubscription { Topics = [topic], OwnedPartitions = [new() { Topic = topic, Partitions = _owned }] }.WriteRecord(writer, 3)),
            },
        ],
    };
}
