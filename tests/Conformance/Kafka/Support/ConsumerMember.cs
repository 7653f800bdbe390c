using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A member of a consumer group by KIP-848, which gives up at once what it is told to and says so with its next heartbeat.</summary>
public sealed class ConsumerMember(RawClient client, string group, string topic, string? instance = null)
{
    private ConsumerGroupHeartbeatRequest.TopicPartitionsData[] _partitions = [];

    public string Id { get; } = Guid.NewGuid().ToString();

    public int Epoch { get; private set; }

    /// <summary>Of the last answer.</summary>
    public ConsumerGroupHeartbeatResponse Last { get; private set; } = new();

    /// <summary>Indexes of the partitions that it reads.</summary>
    public IReadOnlyList<int> Owned => [.. _partitions.SelectMany(static topic => topic.Partitions).Order()];

    public async Task<KafkaErrorCode> JoinAsync()
    {
        var request = new ConsumerGroupHeartbeatRequest
        {
            GroupId = group,
            MemberId = Id,
            InstanceId = instance,
            MemberEpoch = 0,
            RebalanceTimeoutMs = 60_000,
            SubscribedTopicNames = [topic],
            TopicPartitions = [],
        };
        KafkaErrorCode error = await SendAsync(request);
        while (error is KafkaErrorCode.CoordinatorNotAvailable or KafkaErrorCode.NotCoordinator or KafkaErrorCode.CoordinatorLoadInProgress)
        {
            // The topic that keeps groups is being made.
            await client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 0, CoordinatorKeys = [group] }, 4);
            await Task.Delay(50);
            error = await SendAsync(request);
        }

        return error;
    }

    public Task<KafkaErrorCode> HeartbeatAsync() =>
        SendAsync(new ConsumerGroupHeartbeatRequest { GroupId = group, MemberId = Id, InstanceId = instance, MemberEpoch = Epoch, TopicPartitions = _partitions });

    public Task<KafkaErrorCode> LeaveAsync(int epoch = -1) =>
        SendAsync(new ConsumerGroupHeartbeatRequest { GroupId = group, MemberId = Id, InstanceId = instance, MemberEpoch = epoch });

    private async Task<KafkaErrorCode> SendAsync(ConsumerGroupHeartbeatRequest request)
    {
        Last = await client.AskAsync<ConsumerGroupHeartbeatResponse>(request, 1);
        if (Last.ErrorCode == KafkaErrorCode.None)
        {
            Epoch = Last.MemberEpoch;
            _partitions = Last.Assignment?.TopicPartitions.Select(static assigned => new ConsumerGroupHeartbeatRequest.TopicPartitionsData { TopicId = assigned.TopicId, Partitions = assigned.Partitions }).ToArray() ?? _partitions;
        }

        return Last.ErrorCode;
    }
}
