using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>A member of a consumer group that behaves as KIP-848 asks of clients: gives up at once what it is told to, and says so with its next heartbeat.</summary>
internal sealed class ConsumerClient(GroupFixture fixture, string group, string id, string? instance = null)
{
    private readonly SortedSet<string> _owned = new(StringComparer.Ordinal);
    private ConsumerGroupHeartbeatRequest.TopicPartitionsData[] _partitions = [];

    public string Id => id;

    public int Epoch { get; private set; }

    /// <summary>What it reads, as "topic:partition".</summary>
    public string Owned => string.Join(' ', _owned);

    public int Count => _owned.Count;

    public ConsumerGroupHeartbeatResponse Join(params string[] topics) => Send(JoinRequest(topics));

    public ConsumerGroupHeartbeatRequest JoinRequest(params string[] topics) => new()
    {
        GroupId = group,
        MemberId = id,
        InstanceId = instance,
        MemberEpoch = 0,
        RebalanceTimeoutMs = GroupFixture.RebalanceMs,
        SubscribedTopicNames = topics,
        TopicPartitions = [],
    };

    /// <summary>Tells what it reads, or only that it lives.</summary>
    public ConsumerGroupHeartbeatResponse Heartbeat(bool tellsOwned = true) => Send(new ConsumerGroupHeartbeatRequest
    {
        GroupId = group,
        MemberId = id,
        InstanceId = instance,
        MemberEpoch = Epoch,
        TopicPartitions = tellsOwned ? _partitions : null,
    });

    public ConsumerGroupHeartbeatResponse Leave(int epoch = -1) => Send(new ConsumerGroupHeartbeatRequest { GroupId = group, MemberId = id, InstanceId = instance, MemberEpoch = epoch });

    public ConsumerGroupHeartbeatResponse Send(ConsumerGroupHeartbeatRequest request, short version = 1, Func<string, bool>? mayDescribe = null)
    {
        ConsumerGroupHeartbeatResponse response = fixture.Run(fixture.Groups.HeartbeatAsync(new GroupClient("client", "/127.0.0.1"), request, version, mayDescribe ?? (static _ => true)));
        if (response.ErrorCode != KafkaErrorCode.None)
        {
            return response;
        }

        Epoch = response.MemberEpoch;
        if (response.Assignment is { } assignment)
        {
            _partitions = [.. assignment.TopicPartitions.Select(static topic => new ConsumerGroupHeartbeatRequest.TopicPartitionsData { TopicId = topic.TopicId, Partitions = topic.Partitions })];
            _owned.Clear();
            _owned.UnionWith(assignment.TopicPartitions.SelectMany(topic => topic.Partitions.Select(index => $"{fixture.Groups.Topics.Find(topic.TopicId)?.Name}:{index}")));
        }

        return response;
    }
}
