using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>A consumer that speaks the classic protocol, as Kafka's client does it: eager ones give up all before they join, cooperative ones what they are told to.</summary>
internal sealed class ClassicConsumer(GroupFixture fixture, string group, bool isEager = false, string? instance = null)
{
    private readonly SortedSet<string> _owned = new(StringComparer.Ordinal);

    public JoinGroupResponse Joined { get; private set; } = new();

    public string Id => Joined.MemberId;

    public int Generation => Joined.GenerationId;

    /// <summary>What it reads, as "topic:partition".</summary>
    public string Owned => string.Join(' ', _owned);

    public int Count => _owned.Count;

    public static ReadOnlyMemory<byte> Assignment(params string[] partitions)
    {
        using var writer = new KafkaWriter(new BufferPool());
        new ConsumerProtocolAssignment
        {
            AssignedPartitions = [.. partitions.Select(static partition => partition.Split(':')).GroupBy(static parts => parts[0]).Select(static topic =>
                new ConsumerProtocolAssignment.TopicPartition { Topic = topic.Key, Partitions = [.. topic.Select(static parts => int.Parse(parts[1]))] })],
        }.WriteRecord(writer, 3);
        return writer.ToArray();
    }

    /// <summary>Joins, with an id that it asks for if it has none; the answer may be waiting.</summary>
    public Task<JoinGroupResponse> JoinAsync(params string[] topics)
    {
        if (isEager)
        {
            _owned.Clear();
        }

        if (Id.Length == 0 && instance is null)
        {
            Joined = fixture.Run(fixture.JoinAsync(Request(topics)));
            Assert.Equal(KafkaErrorCode.MemberIdRequired, Joined.ErrorCode);
        }

        return fixture.JoinAsync(Request(topics));
    }

    /// <summary>Joins where the answer is at hand.</summary>
    public KafkaErrorCode Join(params string[] topics) => Take(fixture.Run(JoinAsync(topics)));

    public KafkaErrorCode Take(JoinGroupResponse response)
    {
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            Joined = response;
        }

        return response.ErrorCode;
    }

    public KafkaErrorCode Sync(params (string Member, string[] Partitions)[] assignments)
    {
        SyncGroupResponse response = fixture.Run(SyncAsync(assignments));
        return Take(response);
    }

    public Task<SyncGroupResponse> SyncAsync(params (string Member, string[] Partitions)[] assignments)
    {
        Task<SyncGroupResponse> sync = fixture.Groups.SyncAsync(
            new SyncGroupRequest
            {
                GroupId = group,
                MemberId = Id,
                GroupInstanceId = instance,
                GenerationId = Generation,
                ProtocolType = Joined.ProtocolType,
                ProtocolName = Joined.ProtocolName,
                Assignments = [.. assignments.Select(static assignment => new SyncGroupRequest.SyncGroupRequestAssignment { MemberId = assignment.Member, Assignment = Assignment(assignment.Partitions) })],
            },
            5);
        fixture.Scheduler.RunAll();
        return sync;
    }

    public KafkaErrorCode Take(SyncGroupResponse response)
    {
        if (response.ErrorCode == KafkaErrorCode.None)
        {
            _owned.Clear();
            _owned.UnionWith(ConsumerProtocolAssignment.ReadRecord(response.Assignment).AssignedPartitions.SelectMany(static topic => topic.Partitions.Select(index => $"{topic.Topic}:{index}")));
        }

        return response.ErrorCode;
    }

    public KafkaErrorCode Heartbeat() => fixture.Heartbeat(group, Joined, instance);

    public KafkaErrorCode Leave() => fixture.Run(fixture.Groups.LeaveAsync(group, [new() { MemberId = Id, GroupInstanceId = instance }])).Members[0].ErrorCode;

    /// <summary>A heartbeat, and what follows from it in a consumer group.</summary>
    public void Follow(params string[] topics)
    {
        if (Heartbeat() == KafkaErrorCode.RebalanceInProgress)
        {
            Assert.Equal(KafkaErrorCode.None, Join(topics));
            Assert.Equal(KafkaErrorCode.None, Sync());
        }
    }

    private JoinGroupRequest Request(string[] topics)
    {
        using var writer = new KafkaWriter(new BufferPool());
        new ConsumerProtocolSubscription
        {
            Topics = topics,
            OwnedPartitions = [.. _owned.Select(static partition => partition.Split(':')).GroupBy(static parts => parts[0]).Select(static topic =>
                new ConsumerProtocolSubscription.TopicPartition { Topic = topic.Key, Partitions = [.. topic.Select(static parts => int.Parse(parts[1]))] })],
        }.WriteRecord(writer, 3);
        return GroupFixture.JoinRequest(group, Id, instance, protocols: [(isEager ? "range" : "cooperative-sticky", writer.ToArray())]);
    }
}
