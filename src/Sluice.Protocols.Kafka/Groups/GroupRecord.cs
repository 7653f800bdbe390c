using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>One record of an internal topic of groups, in Kafka's format (src/main/resources/common/message of group-coordinator and share-coordinator): what a key is worth from now on; no value: it is gone.</summary>
/// <param name="Key">One of the messages named …Key.</param>
/// <param name="Value">Its counterpart named …Value.</param>
internal sealed record GroupRecord(IKafkaMessage Key, IKafkaMessage? Value)
{
    private const short GroupMetadataVersion = 3, OffsetVersion = 4, OffsetVersionWithExpiry = 1, ConsumerGroupVersion = 0, ShareVersion = 0;

    /// <summary>Null for a kind of record that is not known here, as a later version may write it.</summary>
    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static GroupRecord? Read(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value) => new KafkaReader(key).ReadInt16() switch
    {
        0 or OffsetCommitKey.RecordType => new GroupRecord(ReadOffsetKey(key), value is { } bytes ? OffsetCommitValue.ReadRecord(bytes) : null),
        GroupMetadataKey.RecordType => new GroupRecord(GroupMetadataKey.ReadRecord(key), value is { } bytes ? GroupMetadataValue.ReadRecord(bytes) : null),
        ConsumerGroupMetadataKey.RecordType => new GroupRecord(ConsumerGroupMetadataKey.ReadRecord(key), value is { } bytes ? ConsumerGroupMetadataValue.ReadRecord(bytes) : null),
        ConsumerGroupMemberMetadataKey.RecordType => new GroupRecord(ConsumerGroupMemberMetadataKey.ReadRecord(key), value is { } bytes ? ConsumerGroupMemberMetadataValue.ReadRecord(bytes) : null),
        ConsumerGroupTargetAssignmentMetadataKey.RecordType => new GroupRecord(ConsumerGroupTargetAssignmentMetadataKey.ReadRecord(key), value is { } bytes ? ConsumerGroupTargetAssignmentMetadataValue.ReadRecord(bytes) : null),
        ConsumerGroupTargetAssignmentMemberKey.RecordType => new GroupRecord(ConsumerGroupTargetAssignmentMemberKey.ReadRecord(key), value is { } bytes ? ConsumerGroupTargetAssignmentMemberValue.ReadRecord(bytes) : null),
        ConsumerGroupCurrentMemberAssignmentKey.RecordType => new GroupRecord(ConsumerGroupCurrentMemberAssignmentKey.ReadRecord(key), value is { } bytes ? ConsumerGroupCurrentMemberAssignmentValue.ReadRecord(bytes) : null),
        ConsumerGroupRegularExpressionKey.RecordType => new GroupRecord(ConsumerGroupRegularExpressionKey.ReadRecord(key), value is { } bytes ? ConsumerGroupRegularExpressionValue.ReadRecord(bytes) : null),
        ShareGroupMemberMetadataKey.RecordType => new GroupRecord(ShareGroupMemberMetadataKey.ReadRecord(key), value is { } bytes ? ShareGroupMemberMetadataValue.ReadRecord(bytes) : null),
        ShareGroupMetadataKey.RecordType => new GroupRecord(ShareGroupMetadataKey.ReadRecord(key), value is { } bytes ? ShareGroupMetadataValue.ReadRecord(bytes) : null),
        ShareGroupTargetAssignmentMetadataKey.RecordType => new GroupRecord(ShareGroupTargetAssignmentMetadataKey.ReadRecord(key), value is { } bytes ? ShareGroupTargetAssignmentMetadataValue.ReadRecord(bytes) : null),
        ShareGroupTargetAssignmentMemberKey.RecordType => new GroupRecord(ShareGroupTargetAssignmentMemberKey.ReadRecord(key), value is { } bytes ? ShareGroupTargetAssignmentMemberValue.ReadRecord(bytes) : null),
        ShareGroupCurrentMemberAssignmentKey.RecordType => new GroupRecord(ShareGroupCurrentMemberAssignmentKey.ReadRecord(key), value is { } bytes ? ShareGroupCurrentMemberAssignmentValue.ReadRecord(bytes) : null),
        ShareGroupStatePartitionMetadataKey.RecordType => new GroupRecord(ShareGroupStatePartitionMetadataKey.ReadRecord(key), value is { } bytes ? ShareGroupStatePartitionMetadataValue.ReadRecord(bytes) : null),
        _ => null,
    };

    /// <summary>As <see cref="Read"/>, of the topic that keeps where share groups are.</summary>
    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static GroupRecord? ReadShareState(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? value) => new KafkaReader(key).ReadInt16() switch
    {
        ShareSnapshotKey.RecordType => new GroupRecord(ShareSnapshotKey.ReadRecord(key), value is { } bytes ? ShareSnapshotValue.ReadRecord(bytes) : null),
        ShareUpdateKey.RecordType => new GroupRecord(ShareUpdateKey.ReadRecord(key), value is { } bytes ? ShareUpdateValue.ReadRecord(bytes) : null),
        _ => null,
    };

    public void WriteKey(KafkaWriter writer)
    {
        switch (Key)
        {
            case OffsetCommitKey key:
                key.WriteRecord(writer);
                break;
            case GroupMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupMemberMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupTargetAssignmentMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupTargetAssignmentMemberKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupCurrentMemberAssignmentKey key:
                key.WriteRecord(writer);
                break;
            case ConsumerGroupRegularExpressionKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupMemberMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupTargetAssignmentMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupTargetAssignmentMemberKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupCurrentMemberAssignmentKey key:
                key.WriteRecord(writer);
                break;
            case ShareGroupStatePartitionMetadataKey key:
                key.WriteRecord(writer);
                break;
            case ShareSnapshotKey key:
                key.WriteRecord(writer);
                break;
            case ShareUpdateKey key:
                key.WriteRecord(writer);
                break;
            default:
                throw new InvalidOperationException($"a key of type {Key.GetType().Name}");
        }
    }

    /// <summary>There must be a value.</summary>
    public void WriteValue(KafkaWriter writer)
    {
        switch (Value)
        {
            case OffsetCommitValue value:
                value.WriteRecord(writer, value.ExpireTimestamp >= 0 ? OffsetVersionWithExpiry : OffsetVersion);
                break;
            case GroupMetadataValue value:
                value.WriteRecord(writer, GroupMetadataVersion);
                break;
            case ConsumerGroupMetadataValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ConsumerGroupMemberMetadataValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ConsumerGroupTargetAssignmentMetadataValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ConsumerGroupTargetAssignmentMemberValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ConsumerGroupCurrentMemberAssignmentValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ConsumerGroupRegularExpressionValue value:
                value.WriteRecord(writer, ConsumerGroupVersion);
                break;
            case ShareGroupMemberMetadataValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareGroupMetadataValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareGroupTargetAssignmentMetadataValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareGroupTargetAssignmentMemberValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareGroupCurrentMemberAssignmentValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareGroupStatePartitionMetadataValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareSnapshotValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            case ShareUpdateValue value:
                value.WriteRecord(writer, ShareVersion);
                break;
            default:
                throw new InvalidOperationException($"a value of type {Value?.GetType().Name}");
        }
    }

    private static OffsetCommitKey ReadOffsetKey(ReadOnlyMemory<byte> key)
    {
        // Numbers 0 and 1 are the same kind of record.
        var reader = new KafkaReader(key);
        reader.ReadInt16();
        var read = new OffsetCommitKey();
        read.Read(ref reader, OffsetCommitKey.MaxVersion);
        reader.End();
        return read;
    }
}
