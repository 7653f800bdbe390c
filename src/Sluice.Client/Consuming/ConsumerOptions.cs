namespace Sluice.Client.Consuming;

/// <summary>Where a consumer begins in a partition that it has no offset for.</summary>
public enum AutoOffsetReset
{
    /// <summary>With what comes from now on.</summary>
    Latest,

    /// <summary>With the oldest record there is.</summary>
    Earliest,

    /// <summary>Nowhere: consuming fails.</summary>
    None,
}

/// <summary>Whether a consumer sees records of transactions before they are committed, and of those that were rolled back.</summary>
public enum IsolationLevel
{
    ReadUncommitted = 0,
    ReadCommitted = 1,
}

/// <summary>Who distributes partitions in a group.</summary>
public enum GroupProtocol
{
    /// <summary>One of the members (JoinGroup, SyncGroup).</summary>
    Classic,

    /// <summary>The broker (KIP-848).</summary>
    Consumer,
}

/// <summary>How a consumer works.</summary>
public sealed record ConsumerOptions : KafkaClientOptions
{
    /// <summary>The group that the consumer is a member of, or whose offsets it uses; null: none.</summary>
    public string? GroupId { get; init; }

    /// <summary>A name of the member that outlives it (KIP-345): if it comes back within the session's time it gets its partitions back; null: none.</summary>
    public string? GroupInstanceId { get; init; }

    /// <summary>Who distributes partitions.</summary>
    public GroupProtocol GroupProtocol { get; init; }

    /// <summary>With <see cref="GroupProtocol.Classic"/>: how partitions may be distributed, the first that all members have. Names are those of Kafka's own.</summary>
    public IReadOnlyList<IPartitionAssignor> Assignors { get; init; } = [PartitionAssignors.Range, PartitionAssignors.RoundRobin];

    /// <summary>With <see cref="GroupProtocol.Consumer"/>: the broker's way of distribution, such as uniform or range; null: the broker's default.</summary>
    public string? RemoteAssignor { get; init; }

    /// <summary>Whether offsets are committed from time to time and when partitions are given up: those of all records taken before the current call of ConsumeAsync.</summary>
    public bool EnableAutoCommit { get; init; } = true;

    /// <summary>How often.</summary>
    public TimeSpan AutoCommitInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Where to begin without an offset.</summary>
    public AutoOffsetReset AutoOffsetReset { get; init; } = AutoOffsetReset.Latest;

    /// <summary>Whether records of open transactions are seen.</summary>
    public IsolationLevel IsolationLevel { get; init; } = IsolationLevel.ReadCommitted;

    /// <summary>A broker waits until it has so many bytes, or <see cref="FetchMaxWait"/>.</summary>
    public int FetchMinBytes { get; init; } = 1;

    /// <summary>The most bytes of an answer; one batch comes in any case.</summary>
    public int FetchMaxBytes { get; init; } = 50 << 20;

    /// <summary>The most bytes of one partition in an answer; one batch comes in any case.</summary>
    public int PartitionFetchMaxBytes { get; init; } = 1 << 20;

    /// <summary>How long a broker waits for records.</summary>
    public TimeSpan FetchMaxWait { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A member that is not heard of for so long is out of the group.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>How often a member is heard of.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A member that does not consume for so long leaves the group: it is taken to be stuck.</summary>
    public TimeSpan MaxPollInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Whether batches' checksums are looked at.</summary>
    public bool CheckCrcs { get; init; } = true;

    /// <summary>The most bytes that one compressed batch may become.</summary>
    public int DecompressedBytesMax { get; init; } = 256 << 20;

    /// <summary>Whether a topic that does not exist may be made by asking for it, if the broker allows that.</summary>
    public bool CreateTopics { get; init; }

    /// <summary>Is told of partitions coming and going, within ConsumeAsync; null: nobody.</summary>
    public IRebalanceListener? RebalanceListener { get; init; }

    internal override void Validate()
    {
        base.Validate();
        Require(GroupId is null or { Length: > 0 and <= short.MaxValue }, $"{nameof(GroupId)} is not empty");
        Require(FetchMinBytes >= 0 && FetchMaxBytes >= 1024 && PartitionFetchMaxBytes >= 1024, "a fetch has at least 1024 bytes");
        Require(FetchMaxWait >= TimeSpan.Zero && FetchMaxWait < RequestTimeout, $"{nameof(FetchMaxWait)} is below {nameof(RequestTimeout)}");
        Require(SessionTimeout > HeartbeatInterval && HeartbeatInterval > TimeSpan.Zero, $"{nameof(HeartbeatInterval)} is below {nameof(SessionTimeout)}");
        Require(MaxPollInterval > TimeSpan.Zero && AutoCommitInterval > TimeSpan.Zero, "times must be positive");
        Require(Assignors.Count > 0, $"{nameof(Assignors)} are needed");
        Require(Assignors.Select(assignor => assignor.IsCooperative).Distinct().Count() == 1, $"{nameof(Assignors)} are cooperative all or none");
        Require(DecompressedBytesMax >= 1024, $"{nameof(DecompressedBytesMax)} is at least 1024");
    }
}
