using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Queues;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>Where share groups are in their partitions: finds the shard of each position and has things done there. Whoever calls has seen to permissions. Thread-safe.</summary>
internal sealed class ShareCoordinator : IDisposable
{
    private readonly ShareContext _context;
    private readonly GroupCoordinator _groups;
    private readonly IScheduler _scheduler;
    private readonly CoordinatorShards<ShareShard> _shards;

    public ShareCoordinator(ShareOptions options, ShareContext context, GroupCoordinator groups, Func<VirtualHost?> host, IScheduler scheduler, Func<Guid> newId)
    {
        _context = context;
        _groups = groups;
        _scheduler = scheduler;
        Sessions = new ShareSessions(options.SessionsMax);
        var kept = new InternalTopic(InternalTopics.Shares, options.StateTopicPartitions) { IsCompacted = false };
        _shards = new CoordinatorShards<ShareShard>(host, kept, scheduler, context.Logger, newId, partition => new ShareShard(partition, context));
    }

    public ShareSessions Sessions { get; }

    /// <summary>Where positions are kept.</summary>
    public InternalTopic Kept => _shards.Kept;

    /// <summary>Starts to read what there is.</summary>
    public void Start() => _ = _shards.All;

    public ShareSettings SettingsOf(string groupId) => _context.Configs.SharesOf(groupId);

    /// <summary>Done when what there was at the start is read.</summary>
    public async Task WhenLoadedAsync()
    {
        await _groups.WhenLoadedAsync().ConfigureAwait(false);
        await _shards.WhenLoadedAsync().ConfigureAwait(false);
    }

    /// <summary>The position of a group in a partition; if it has none, it begins where its configuration says, or where the caller does.</summary>
    public async ValueTask<(KafkaErrorCode Error, SharePartition? Position)> OpenAsync(string groupId, TopicPartition partition, StreamStart? start = null)
    {
        var key = new SharePartitionKey(groupId, partition.Topic.Id, partition.Index);
        if (await _shards.OpenAsync(key.ToString()).ConfigureAwait(false) is not { } shard)
        {
            return (KafkaErrorCode.CoordinatorNotAvailable, null);
        }

        KafkaErrorCode error = shard.Find(key, out SharePartition? known);
        if (error != KafkaErrorCode.None || known is not null)
        {
            return (error == KafkaErrorCode.None ? error : KafkaErrorCode.CoordinatorNotAvailable, known);
        }

        bool isRead = await _groups.RunShareAsync(groupId, (_, group, _) => group?.Topics.GetValueOrDefault(key.TopicId).Partitions > key.Index, static _ => false).ConfigureAwait(false);
        return isRead ? await shard.CreateAsync(key, await BeginAsync(groupId, partition, start).ConfigureAwait(false)).ConfigureAwait(false) : (KafkaErrorCode.UnknownServerError, null);
    }

    /// <summary>A member says what becomes of records; done when that is kept.</summary>
    public async Task<KafkaErrorCode> AcknowledgeAsync(string groupId, string memberId, TopicPartition partition, IReadOnlyList<Acknowledgement> acknowledgements)
    {
        var key = new SharePartitionKey(groupId, partition.Topic.Id, partition.Index);
        return _shards.Find(key.ToString()) is { } shard
            ? await shard.AcknowledgeAsync(key, memberId, acknowledgements, SettingsOf(groupId)).ConfigureAwait(false)
            : KafkaErrorCode.UnknownTopicOrPartition;
    }

    /// <summary>Ends a member's session: what it has is available again.</summary>
    public async Task EndAsync(ShareSession session)
    {
        if (!Sessions.End(session))
        {
            return;
        }

        SharePartitionKey[] keys;
        lock (session)
        {
            keys = [.. session.Partitions.Select(partition => new SharePartitionKey(session.GroupId, partition.TopicId, partition.Index))];
        }

        foreach (SharePartitionKey key in keys)
        {
            if (_shards.Find(key.ToString()) is { } shard)
            {
                await shard.ReleaseAsync(key, session.MemberId, SettingsOf(session.GroupId)).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Where a group is in a partition; null: it has no position there.</summary>
    public async Task<(KafkaErrorCode Error, (long StartOffset, long DoneCount)? Position)> DescribeAsync(SharePartitionKey key) =>
        _shards.Find(key.ToString()) is { } shard ? await shard.DescribeAsync(key).ConfigureAwait(false) : (KafkaErrorCode.None, null);

    /// <summary>Where the group of that name, or all, are in their partitions, as far as that can be told.</summary>
    public Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)> Positions(string? groupId)
    {
        var positions = new Dictionary<SharePartitionKey, (long StartOffset, long DoneCount)>();
        foreach (ShareShard shard in _shards.All)
        {
            shard.Collect(groupId, positions);
        }

        return positions;
    }

    /// <summary>Sets where a group is in a partition; done when that is kept.</summary>
    public async Task<KafkaErrorCode> ResetAsync(SharePartitionKey key, long startOffset, int stateEpoch) =>
        await _shards.OpenAsync(key.ToString()).ConfigureAwait(false) is { } shard
            ? await shard.ResetAsync(key, startOffset, stateEpoch).ConfigureAwait(false)
            : KafkaErrorCode.CoordinatorNotAvailable;

    /// <summary>Forgets positions, whichever they are; done when that is kept.</summary>
    public async Task<KafkaErrorCode> RemoveAsync(Func<SharePartitionKey, bool> isWanted)
    {
        KafkaErrorCode error = KafkaErrorCode.None;
        foreach (ShareShard shard in _shards.All)
        {
            KafkaErrorCode outcome = await shard.RemoveAsync(isWanted).ConfigureAwait(false);
            error = outcome == KafkaErrorCode.None ? error : outcome;
        }

        return error;
    }

    /// <summary>Deletes a group if it is a share group without members, and its positions before it; null: it is none.</summary>
    public async Task<KafkaErrorCode?> DeleteAsync(string groupId)
    {
        KafkaErrorCode? check = await _groups.RunShareAsync<KafkaErrorCode?>(
            groupId,
            static (_, group, _) => group is null ? null : group.IsEmpty ? KafkaErrorCode.None : KafkaErrorCode.NonEmptyGroup,
            static error => error).ConfigureAwait(false);
        if (check != KafkaErrorCode.None)
        {
            return check;
        }

        KafkaErrorCode removed = await RemoveAsync(key => key.GroupId == groupId).ConfigureAwait(false);
        return removed == KafkaErrorCode.None ? await _groups.DeleteAsync(groupId).ConfigureAwait(false) : removed;
    }

    public void Dispose() => _shards.Dispose();

    private async ValueTask<long> BeginAsync(string groupId, TopicPartition partition, StreamStart? start)
    {
        start ??= StartOf(SettingsOf(groupId).OffsetReset);
        if (start.Kind == StreamStartKind.Timestamp)
        {
            // By time it is found in the files.
            await _scheduler.SwitchAsync().ConfigureAwait(false);
            return partition.FindTime(start.Value)?.Offset ?? partition.EndOffset;
        }

        return partition.Resolve(start);
    }

    private StreamStart StartOf(string reset) =>
        reset == GroupConfigKey.Latest ? new StreamStart(StreamStartKind.Next)
        : GroupConfigKey.Duration(reset) is { } duration ? new StreamStart(StreamStartKind.Timestamp, (_context.Clock.GetUtcNow() - duration).ToUnixTimeMilliseconds())
        : new StreamStart(StreamStartKind.First);
}
