using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Keys and values of share groups in internal topics: bytes as Kafka 4.3.1's own classes write them, behind the number they begin with.</summary>
public sealed class ShareRecordTests
{
    private const string IdHex = "0102030405060708090a0b0c0d0e0f10";

    private static readonly Guid Id = Guid.Parse("01020304-0506-0708-090a-0b0c0d0e0f10");

    [Fact]
    public void Where_a_group_is()
    {
        Is($"0000000167{IdHex}00000004", new ShareSnapshotKey { GroupId = "g", TopicId = Id, Partition = 4 }.WriteRecord, static bytes => ShareSnapshotKey.ReadRecord(bytes));
        Is($"0001000167{IdHex}00000004", new ShareUpdateKey { GroupId = "g", TopicId = Id, Partition = 4 }.WriteRecord, static bytes => ShareUpdateKey.ReadRecord(bytes));
        var snapshot = new ShareSnapshotValue
        {
            SnapshotEpoch = 3,
            StateEpoch = 2,
            LeaderEpoch = 1,
            StartOffset = 10,
            DeliveryCompleteCount = 2,
            CreateTimestamp = 1000,
            WriteTimestamp = 2000,
            StateBatches = [new() { FirstOffset = 11, LastOffset = 12, DeliveryState = 2, DeliveryCount = 1 }],
        };
        Is("0000000000030000000200000001000000000000000a00000000000003e800000000000007d002000000000000000b000000000000000c0200010001000400000002", writer => snapshot.WriteRecord(writer, 0), static bytes => ShareSnapshotValue.ReadRecord(bytes));
        var update = new ShareUpdateValue { SnapshotEpoch = 3, LeaderEpoch = 1, StartOffset = 10, DeliveryCompleteCount = 2, StateBatches = [new() { FirstOffset = 11, LastOffset = 12, DeliveryState = 4, DeliveryCount = 5 }] };
        Is("00000000000300000001000000000000000a02000000000000000b000000000000000c0400050001000400000002", writer => update.WriteRecord(writer, 0), static bytes => ShareUpdateValue.ReadRecord(bytes));
    }

    [Fact]
    public void Who_is_in_a_group()
    {
        Is("000a00016700016d", new ShareGroupMemberMetadataKey { GroupId = "g", MemberId = "m" }.WriteRecord, static bytes => ShareGroupMemberMetadataKey.ReadRecord(bytes));
        var member = new ShareGroupMemberMetadataValue { RackId = null, ClientId = "c", ClientHost = "/127.0.0.1", SubscribedTopicNames = ["t"] };
        Is("00000002630b2f3132372e302e302e3102027400", writer => member.WriteRecord(writer, 0), static bytes => ShareGroupMemberMetadataValue.ReadRecord(bytes));
        Is("000b000167", new ShareGroupMetadataKey { GroupId = "g" }.WriteRecord, static bytes => ShareGroupMetadataKey.ReadRecord(bytes));
        Is("000000000005ffffffffffffffff00", writer => new ShareGroupMetadataValue { Epoch = 5, MetadataHash = -1 }.WriteRecord(writer, 0), static bytes => ShareGroupMetadataValue.ReadRecord(bytes));
    }

    [Fact]
    public void What_members_read()
    {
        Is("000c000167", new ShareGroupTargetAssignmentMetadataKey { GroupId = "g" }.WriteRecord, static bytes => ShareGroupTargetAssignmentMetadataKey.ReadRecord(bytes));
        Is("00000000000501000800000000000003e8", writer => new ShareGroupTargetAssignmentMetadataValue { AssignmentEpoch = 5, AssignmentTimestamp = 1000 }.WriteRecord(writer, 0), static bytes => ShareGroupTargetAssignmentMetadataValue.ReadRecord(bytes));
        Is("000d00016700016d", new ShareGroupTargetAssignmentMemberKey { GroupId = "g", MemberId = "m" }.WriteRecord, static bytes => ShareGroupTargetAssignmentMemberKey.ReadRecord(bytes));
        var target = new ShareGroupTargetAssignmentMemberValue { TopicPartitions = [new() { TopicId = Id, Partitions = [0, 1] }] };
        Is($"000002{IdHex}0300000000000000010000", writer => target.WriteRecord(writer, 0), static bytes => ShareGroupTargetAssignmentMemberValue.ReadRecord(bytes));
        Is("000e00016700016d", new ShareGroupCurrentMemberAssignmentKey { GroupId = "g", MemberId = "m" }.WriteRecord, static bytes => ShareGroupCurrentMemberAssignmentKey.ReadRecord(bytes));
        var current = new ShareGroupCurrentMemberAssignmentValue { MemberEpoch = 5, PreviousMemberEpoch = 4, AssignedPartitions = [new() { TopicId = Id, Partitions = [0, 1] }] };
        Is($"000000000005000000040002{IdHex}0300000000000000010000", writer => current.WriteRecord(writer, 0), static bytes => ShareGroupCurrentMemberAssignmentValue.ReadRecord(bytes));
        Is("000f000167", new ShareGroupStatePartitionMetadataKey { GroupId = "g" }.WriteRecord, static bytes => ShareGroupStatePartitionMetadataKey.ReadRecord(bytes));
        var positions = new ShareGroupStatePartitionMetadataValue { InitializedTopics = [new() { TopicId = Id, TopicName = "t", Partitions = [0, 1] }], DeletingTopics = [new() { TopicId = Id, TopicName = "u" }] };
        Is($"00000102{IdHex}02740300000000000000010002{IdHex}02750000", writer => positions.WriteRecord(writer, 0), static bytes => ShareGroupStatePartitionMetadataValue.ReadRecord(bytes));
    }

    private static void Is(string hex, Action<KafkaWriter> write, Func<byte[], IKafkaMessage> read)
    {
        byte[] bytes = Codec.Write(write);
        Assert.Equal(hex, Convert.ToHexStringLower(bytes));
        Assert.NotNull(read(bytes));
        Assert.Throws<KafkaParseException>(() => read([.. bytes, 0]));
    }
}
