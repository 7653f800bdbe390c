using Sluice.Broker.Shares;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>The records that the position of a share group in a partition consists of, in Kafka's formats.</summary>
internal static class ShareStateRecords
{
    /// <summary>All there is to say.</summary>
    public static GroupRecord Snapshot(SharePartition partition, long nowMs) => new(KeyOf(partition.Key), new ShareSnapshotValue
    {
        SnapshotEpoch = partition.SnapshotEpoch,
        StateEpoch = partition.StateEpoch,
        LeaderEpoch = KafkaServer.LeaderEpoch,
        StartOffset = partition.Cursor.StartOffset,
        DeliveryCompleteCount = (int)partition.Cursor.DoneCount,
        CreateTimestamp = nowMs,
        WriteTimestamp = nowMs,
        StateBatches = [.. partition.Cursor.ToState().Select(static run => new ShareSnapshotValue.StateBatch { FirstOffset = run.First, LastOffset = run.Last, DeliveryState = (sbyte)run.State, DeliveryCount = run.DeliveryCount })],
    });

    /// <summary>What has changed.</summary>
    public static GroupRecord Update(SharePartition partition, IEnumerable<DeliveryRun> changes) => new(
        new ShareUpdateKey { GroupId = partition.Key.GroupId, TopicId = partition.Key.TopicId, Partition = partition.Key.Index },
        new ShareUpdateValue
        {
            SnapshotEpoch = partition.SnapshotEpoch,
            LeaderEpoch = KafkaServer.LeaderEpoch,
            StartOffset = partition.Cursor.StartOffset,
            DeliveryCompleteCount = (int)partition.Cursor.DoneCount,
            StateBatches = [.. changes.Select(static run => new ShareUpdateValue.StateBatch { FirstOffset = run.First, LastOffset = run.Last, DeliveryState = (sbyte)run.State, DeliveryCount = run.DeliveryCount })],
        });

    public static GroupRecord None(SharePartitionKey key) => new(KeyOf(key), null);

    /// <summary>Which partition a record is about.</summary>
    public static SharePartitionKey KeyOf(GroupRecord record) => record.Key switch
    {
        ShareSnapshotKey key => new SharePartitionKey(key.GroupId, key.TopicId, key.Partition),
        ShareUpdateKey key => new SharePartitionKey(key.GroupId, key.TopicId, key.Partition),
        _ => throw new InvalidOperationException($"a record of type {record.Key.GetType().Name}"),
    };

    public static IEnumerable<DeliveryRun> RunsOf(ShareSnapshotValue value) => value.StateBatches.Select(static batch => new DeliveryRun(batch.FirstOffset, batch.LastOffset, (DeliveryState)batch.DeliveryState, batch.DeliveryCount));

    public static IEnumerable<DeliveryRun> RunsOf(ShareUpdateValue value) => value.StateBatches.Select(static batch => new DeliveryRun(batch.FirstOffset, batch.LastOffset, (DeliveryState)batch.DeliveryState, batch.DeliveryCount));

    private static ShareSnapshotKey KeyOf(SharePartitionKey key) => new() { GroupId = key.GroupId, TopicId = key.TopicId, Partition = key.Index };
}
