using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Tests.Shares;

/// <summary>A member of a share group that gets records of batches of one record each, as many as it asks for.</summary>
internal sealed class ShareClient(GroupFixture fixture, string group, string id)
{
    private readonly SortedSet<string> _assigned = new(StringComparer.Ordinal);

    public int Epoch { get; set; }

    /// <summary>What it reads, as "topic:partition".</summary>
    public string Assigned => string.Join(' ', _assigned);

    public ShareGroupHeartbeatResponse Join(params string[] topics) => Send(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = id, MemberEpoch = 0, SubscribedTopicNames = topics });

    public ShareGroupHeartbeatResponse Heartbeat() => Send(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = id, MemberEpoch = Epoch });

    public ShareGroupHeartbeatResponse Leave() => Send(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = id, MemberEpoch = -1 });

    public ShareGroupHeartbeatResponse Send(ShareGroupHeartbeatRequest request)
    {
        ShareGroupHeartbeatResponse response = fixture.Run(fixture.Groups.HeartbeatAsync(new GroupClient("client", "/127.0.0.1"), request));
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            Epoch = response.MemberEpoch;
            if (response.Assignment is { } assignment)
            {
                _assigned.Clear();
                _assigned.UnionWith(assignment.TopicPartitions.SelectMany(topic => topic.Partitions.Select(index => $"{fixture.Groups.Topics.Find(topic.TopicId)?.Name}:{index}")));
            }
        }

        return response;
    }

    /// <summary>The group's position in a partition.</summary>
    public (KafkaErrorCode Error, SharePartition? Position) Open(TopicPartition partition) => fixture.Run(fixture.Shares.OpenAsync(group, partition).AsTask());

    /// <summary>What it gets, as "first-last:count".</summary>
    public string Acquire(TopicPartition partition, int records)
    {
        (KafkaErrorCode error, SharePartition? position) = Open(partition);
        Assert.Equal(KafkaErrorCode.None, error);
        Assert.Equal(KafkaErrorCode.None, position!.Shard.Plan(position, partition.StartOffset, fixture.Shares.SettingsOf(group), out long? offset));
        if (offset is not { } from)
        {
            return "";
        }

        BatchSpan[] batches = [.. Enumerable.Range(0, records).Select(i => new BatchSpan(from + i, from + i, i, 1, -1))];
        List<DeliveryRun> acquired = position.Shard.Acquire(position, from, batches, [], new AcquireRequest(id, 0, records, true, 500, fixture.Shares.SettingsOf(group).InFlightMax, fixture.Shares.SettingsOf(group).DeliveryCountMax), fixture.Shares.SettingsOf(group).RecordLockDurationMs);
        return string.Join(' ', acquired.Select(static run => $"{run.First}-{run.Last}:{run.DeliveryCount}"));
    }

    public Task<KafkaErrorCode> AcknowledgeAsync(TopicPartition partition, long first, long last, AcknowledgeType type = AcknowledgeType.Accept) =>
        fixture.Shares.AcknowledgeAsync(group, id, partition, [new Acknowledgement(first, last, [(sbyte)type])]);

    public KafkaErrorCode Acknowledge(TopicPartition partition, long first, long last, AcknowledgeType type = AcknowledgeType.Accept) => fixture.Run(AcknowledgeAsync(partition, first, last, type));
}
