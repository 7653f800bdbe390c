using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Buffers;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>Coordinators of groups and of share groups' positions over a broker on a disk in memory, with virtual time and work that runs when the test says so.</summary>
internal sealed class GroupFixture : IDisposable
{
    public const int SessionMs = 10_000, RebalanceMs = 60_000;

    private readonly GroupOptions _options;
    private int _ids;

    public GroupFixture(GroupOptions? options = null)
    {
        _options = options ?? new GroupOptions { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 3, AssignmentIntervalMs = 0 };
        Open();
    }

    public FaultDisk Disk { get; } = new(1);

    public ManualTimeProvider Clock { get; } = new();

    public StepScheduler Scheduler { get; private set; } = null!;

    public LogStore Store { get; private set; } = null!;

    public MessageBroker Broker { get; private set; } = null!;

    public GroupCoordinator Groups { get; private set; } = null!;

    public ShareCoordinator Shares { get; private set; } = null!;

    public BufferPool Buffers { get; } = new();

    public static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>A consumer's subscription, as its client library writes it.</summary>
    public static ReadOnlyMemory<byte> Subscription(params string[] topics)
    {
        using var writer = new KafkaWriter(new BufferPool());
        new ConsumerProtocolSubscription { Topics = topics }.WriteRecord(writer, 3);
        return writer.ToArray();
    }

    public static JoinGroupRequest JoinRequest(string group, string member = "", string? instance = null, string type = "consumer", params (string Name, ReadOnlyMemory<byte> Metadata)[] protocols) => new()
    {
        GroupId = group,
        MemberId = member,
        GroupInstanceId = instance,
        ProtocolType = type,
        SessionTimeoutMs = SessionMs,
        RebalanceTimeoutMs = RebalanceMs,
        Protocols = [.. (protocols.Length > 0 ? protocols : [("range", Subscription("t"))]).Select(static protocol => new JoinGroupRequest.JoinGroupRequestProtocol { Name = protocol.Name, Metadata = protocol.Metadata })],
    };

    public void Dispose()
    {
        Shares.Dispose();
        Groups.Dispose();
        Store.Dispose();
    }

    /// <summary>Kills the process or cuts the power, and starts anew on what the disk kept.</summary>
    public void Crash(CrashKind kind, bool loads = true)
    {
        Shares.Dispose();
        Groups.Dispose();
        Scheduler.Clear();
        Clock.Clear();
        Disk.Crash(kind);
        Open(loads);
    }

    /// <summary>Runs what is ready, and gives the result that must be there now.</summary>
    public T Run<T>(Task<T> task)
    {
        for (int i = 0; !task.IsCompleted && i < 10_000; i++)
        {
            Scheduler.RunAll();
            task.Wait(1);
        }

        Assert.True(task.IsCompleted, "The answer has not come.");
        return task.GetAwaiter().GetResult();
    }

    /// <summary>The result, which must be there without anything being run.</summary>
    public static T Now<T>(Task<T> task)
    {
        Assert.True(task.IsCompleted, "The answer is not there.");
        return task.GetAwaiter().GetResult();
    }

    /// <summary>Runs what is ready; the answer must be waiting still.</summary>
    public Task<T> Wait<T>(Task<T> task)
    {
        Scheduler.RunAll();
        Assert.False(task.IsCompleted, "The answer has come.");
        return task;
    }

    public void Advance(int milliseconds)
    {
        Clock.Advance(TimeSpan.FromMilliseconds(milliseconds));
        Scheduler.RunAll();
    }

    public Topic CreateTopic(string name, int partitions = 1)
    {
        Task<BrokerResult<Topic>> created = Broker.FindVirtualHost("/")!.CreateTopicAsync(new TopicDefinition(name, NewId(), new Dictionary<string, string>()), partitions).AsTask();
        return Run(created).Value!;
    }

    public Task<JoinGroupResponse> JoinAsync(JoinGroupRequest request, short version = 9)
    {
        Task<JoinGroupResponse> join = Groups.JoinAsync(new GroupClient("client", "/127.0.0.1"), request, version);
        Scheduler.RunAll();
        return join;
    }

    /// <summary>Asks for an id, and joins with it.</summary>
    public (string Id, Task<JoinGroupResponse> Join) JoinNew(string group, params (string Name, ReadOnlyMemory<byte> Metadata)[] protocols)
    {
        JoinGroupResponse first = Run(JoinAsync(JoinRequest(group, protocols: protocols)));
        Assert.Equal(KafkaErrorCode.MemberIdRequired, first.ErrorCode);
        return (first.MemberId, JoinAsync(JoinRequest(group, first.MemberId, protocols: protocols)));
    }

    public Task<SyncGroupResponse> SyncAsync(string group, JoinGroupResponse joined, params (string Member, string Assignment)[] assignments)
    {
        Task<SyncGroupResponse> sync = Groups.SyncAsync(
            new SyncGroupRequest
            {
                GroupId = group,
                MemberId = joined.MemberId,
                GenerationId = joined.GenerationId,
                ProtocolType = joined.ProtocolType,
                ProtocolName = joined.ProtocolName,
                Assignments = [.. assignments.Select(static assignment => new SyncGroupRequest.SyncGroupRequestAssignment { MemberId = assignment.Member, Assignment = Bytes(assignment.Assignment) })],
            },
            5);
        Scheduler.RunAll();
        return sync;
    }

    /// <summary>A group of that many members which all have their assignments, "a0", "a1"…; the leader is the first.</summary>
    public JoinGroupResponse[] Stable(string group, int members)
    {
        var joins = new List<(string Id, Task<JoinGroupResponse> Join)>();
        for (int i = 0; i < members; i++)
        {
            joins.Add(JoinNew(group));
            for (int before = 0; before < i; before++)
            {
                joins[before] = (joins[before].Id, JoinAsync(JoinRequest(group, joins[before].Id)));
            }

            if (i > 0)
            {
                Assert.All(joins, join => Assert.True(join.Join.IsCompleted));
            }
        }

        JoinGroupResponse[] joined = [.. joins.Select(join => Run(join.Join))];
        Task<SyncGroupResponse>[] syncs = [.. joined.Skip(1).Select(join => SyncAsync(group, join)), SyncAsync(group, joined[0], [.. joined.Select((join, i) => (join.MemberId, $"a{i}"))])];
        Assert.All(syncs, sync => Assert.Equal(KafkaErrorCode.None, Run(sync).ErrorCode));
        return joined;
    }

    public KafkaErrorCode Heartbeat(string group, JoinGroupResponse joined, string? instance = null) =>
        Run(Groups.HeartbeatAsync(new HeartbeatRequest { GroupId = group, MemberId = joined.MemberId, GenerationId = joined.GenerationId, GroupInstanceId = instance })).ErrorCode;

    public Task<KafkaErrorCode> CommitAsync(string group, string topic, int partition, long offset, string member = "", int generation = -1, string metadata = "", short version = 9, long retentionMs = -1)
    {
        var request = new OffsetCommitRequest { GroupId = group, MemberId = member, GenerationIdOrMemberEpoch = generation, RetentionTimeMs = retentionMs };
        var result = new OffsetCommitResponse.OffsetCommitResponsePartition { PartitionIndex = partition };
        GroupTopic known = Groups.Topics.Find(topic) ?? new GroupTopic(topic, Guid.Empty, 1);
        var item = new CommitItem(known, new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = partition, CommittedOffset = offset, CommittedMetadata = metadata }, result);
        return Awaited();

        async Task<KafkaErrorCode> Awaited()
        {
            await Groups.CommitAsync(request, version, [item]);
            return result.ErrorCode;
        }
    }

    public KafkaErrorCode Commit(string group, string topic, int partition, long offset, string member = "", int generation = -1, string metadata = "", short version = 9, long retentionMs = -1) =>
        Run(CommitAsync(group, topic, partition, offset, member, generation, metadata, version, retentionMs));

    /// <summary>All that the group has committed, as "topic:partition=offset".</summary>
    public string[] Offsets(string group)
    {
        OffsetFetchResponse.OffsetFetchResponseGroup fetched = Run(Groups.FetchAsync(new OffsetFetchRequest.OffsetFetchRequestGroup { GroupId = group, Topics = null }));
        Assert.Equal(KafkaErrorCode.None, fetched.ErrorCode);
        return [.. fetched.Topics.SelectMany(topic => topic.Partitions.Select(partition => $"{topic.Name}:{partition.PartitionIndex}={partition.CommittedOffset}{partition.Metadata}"))];
    }

    public string State(string group) => Run(Groups.DescribeAsync(group, 6)).GroupState;

    /// <summary>All groups with their members and offsets, as text.</summary>
    public string Everything()
    {
        ListGroupsResponse listed = Run(Groups.ListAsync());
        Assert.Equal(KafkaErrorCode.None, listed.ErrorCode);
        var text = new StringBuilder();
        foreach (ListGroupsResponse.ListedGroup group in listed.Groups.OrderBy(static group => group.GroupId, StringComparer.Ordinal))
        {
            DescribeGroupsResponse.DescribedGroup described = Run(Groups.DescribeAsync(group.GroupId, 6));
            text.AppendLine($"{group.GroupId} {group.GroupType} {group.ProtocolType} {group.GroupState} {described.ProtocolData}");
            foreach (DescribeGroupsResponse.DescribedGroupMember member in described.Members.OrderBy(static member => member.MemberId, StringComparer.Ordinal))
            {
                text.AppendLine($"  {member.MemberId} {member.GroupInstanceId} {member.ClientId} {member.ClientHost} {Convert.ToHexString(member.MemberMetadata.Span)} {Convert.ToHexString(member.MemberAssignment.Span)}");
            }

            text.AppendLine($"  {string.Join(' ', Offsets(group.GroupId))}");
        }

        return text.ToString();
    }

    private Guid NewId() => new(++_ids, 0, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, 0);

    private void Open(bool loads = true)
    {
        Scheduler = new StepScheduler(1);
        Store = LogStore.Open(new LogStoreOptions(), Disk, Scheduler, Clock, NullLoggerFactory.Instance);
        Broker = MessageBroker.Open(Store, new BrokerOptions(), [], Scheduler, Clock, new Random(1), NullLoggerFactory.Instance);
        Scheduler.RunAll();
        Groups = new GroupCoordinator(_options, Broker, () => Broker.FindVirtualHost("/"), Buffers, Scheduler, Clock, NullLogger.Instance, NewId);
        Groups.Start();
        var context = new ShareContext(Store, Broker.Options.DurablePromise, Groups.Topics, Groups.Configs, Buffers, Scheduler, Clock, NullLogger.Instance);
        Shares = new ShareCoordinator(new ShareOptions { StateTopicPartitions = 3 }, context, Groups, () => Broker.FindVirtualHost("/"), Scheduler, NewId);
        Shares.Start();
        if (loads)
        {
            Scheduler.RunAll();
        }
    }
}
