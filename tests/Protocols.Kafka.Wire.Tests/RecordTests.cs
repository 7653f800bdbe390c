using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Keys and values of internal topics, and data embedded in messages: bytes as Kafka 4.3.1's own classes write them, behind the number they begin with.</summary>
public sealed class RecordTests
{
    private static readonly Guid Id = Guid.Parse("01020304-0506-0708-090a-0b0c0d0e0f10");

    [Fact]
    public void OffsetCommitKey_begins_with_its_type()
    {
        var key = new OffsetCommitKey { Group = "g", Topic = "t", Partition = 4 };
        byte[] bytes = Codec.Write(key.WriteRecord);
        Assert.Equal("0001" + "00016700017400000004", Convert.ToHexStringLower(bytes));
        Assert.Equal(Codec.Dump(key), Codec.Dump(OffsetCommitKey.ReadRecord(bytes)));
        Assert.Throws<KafkaParseException>(() => GroupMetadataKey.ReadRecord(bytes));
    }

    [Theory]
    [InlineData(1, "000000000000004d00017800000000000003e800000000000007d0")]
    [InlineData(4, "000000000000004d00000005027800000000000003e80100100102030405060708090a0b0c0d0e0f10")]
    public void OffsetCommitValue_begins_with_its_version(short version, string hex)
    {
        var value = new OffsetCommitValue
        {
            Offset = 77,
            LeaderEpoch = version >= 3 ? 5 : -1,
            Metadata = "x",
            CommitTimestamp = 1000,
            ExpireTimestamp = version == 1 ? 2000 : -1,
            TopicId = version >= 4 ? Id : default,
        };
        byte[] bytes = Codec.Write(writer => value.WriteRecord(writer, version));
        Assert.Equal($"{version:x4}{hex}", Convert.ToHexStringLower(bytes));
        Assert.Equal(Codec.Dump(value), Codec.Dump(OffsetCommitValue.ReadRecord(bytes)));
    }

    [Theory]
    [InlineData(1, "0008636f6e73756d657200000003000572616e676500016d0000000100016d000163000a2f3132372e302e302e3100000064000000c80000000101000000020203")]
    [InlineData(3, "0008636f6e73756d657200000003000572616e676500016d0000011f71fb04cb0000000100016d000169000163000a2f3132372e302e302e3100000064000000c80000000101000000020203")]
    [InlineData(4, "09636f6e73756d6572000000030672616e6765026d0000011f71fb04cb02026d026902630b2f3132372e302e302e3100000064000000c802010302030000")]
    public void GroupMetadataValue_in_its_versions(short version, string hex)
    {
        var value = new GroupMetadataValue
        {
            ProtocolType = "consumer",
            Generation = 3,
            Protocol = "range",
            Leader = "m",
            CurrentStateTimestamp = version >= 2 ? 1234567890123 : -1,
            Members =
            [
                new()
                {
                    MemberId = "m",
                    GroupInstanceId = version >= 3 ? "i" : null,
                    ClientId = "c",
                    ClientHost = "/127.0.0.1",
                    RebalanceTimeout = 100,
                    SessionTimeout = 200,
                    Subscription = new byte[] { 1 },
                    Assignment = new byte[] { 2, 3 },
                },
            ],
        };
        byte[] bytes = Codec.Write(writer => value.WriteRecord(writer, version));
        Assert.Equal($"{version:x4}{hex}", Convert.ToHexStringLower(bytes));
        Assert.Equal(Codec.Dump(value), Codec.Dump(GroupMetadataValue.ReadRecord(bytes)));
    }

    [Fact]
    public void TransactionLogValue_has_tags_in_the_order_of_their_numbers()
    {
        var value = new TransactionLogValue
        {
            ProducerId = 1,
            PreviousProducerId = 9,
            ProducerEpoch = 2,
            NextProducerEpoch = 3,
            TransactionTimeoutMs = 60000,
            TransactionStatus = 1,
            TransactionPartitions = [new() { Topic = "t", PartitionIds = [0, 1] }],
            TransactionLastUpdateTimestampMs = 5,
            TransactionStartTimestampMs = 6,
            ClientTransactionVersion = 2,
        };
        byte[] bytes = Codec.Write(writer => value.WriteRecord(writer, 1));
        Assert.Equal("0001" + "000000000000000100020000ea6001020274030000000000000001000000000000000005000000000000000603000800000000000000090202000203020003", Convert.ToHexStringLower(bytes));
        Assert.Equal(Codec.Dump(value), Codec.Dump(TransactionLogValue.ReadRecord(bytes)));
    }

    /// <summary>Sluice's own field: its number lies far above Kafka's, so that Kafka skips it. As long as it says nothing it is not there, as above.</summary>
    [Fact]
    public void TransactionLogValue_has_the_last_epoch_as_tag_1000_behind_all_of_Kafkas()
    {
        var value = new TransactionLogValue { ProducerId = 1, ProducerEpoch = 2, TransactionTimeoutMs = 60000, TransactionStatus = 1, NextProducerEpoch = 3, ClientTransactionVersion = 2, LastProducerEpoch = 0x0102 };
        byte[] bytes = Codec.Write(writer => value.WriteRecord(writer, 1));
        Assert.Equal("0001" + "000000000000000100020000ea60010100000000000000000000000000000000" + "03" + "02020002" + "03020003" + "e807020102", Convert.ToHexStringLower(bytes));
        Assert.Equal(0x0102, TransactionLogValue.ReadRecord(bytes).LastProducerEpoch);
        Assert.Equal(-1, TransactionLogValue.ReadRecord(Codec.Write(writer => new TransactionLogValue().WriteRecord(writer, 1))).LastProducerEpoch);
    }

    [Fact]
    public void A_value_of_a_later_version_or_with_more_behind_it_is_refused()
    {
        byte[] bytes = Codec.Write(writer => new OffsetCommitValue { Offset = 1 }.WriteRecord(writer, 4));
        Assert.Throws<KafkaParseException>(() => OffsetCommitValue.ReadRecord((byte[])[.. bytes, 0]));
        bytes[1] = OffsetCommitValue.MaxVersion + 1;
        Assert.Throws<KafkaParseException>(() => OffsetCommitValue.ReadRecord(bytes));
    }

    [Fact]
    public void A_subscription_of_a_later_version_is_read_as_the_last_one_known()
    {
        var subscription = new ConsumerProtocolSubscription { Topics = ["a"], RackId = "r" };
        byte[] bytes = Codec.Write(writer => subscription.WriteRecord(writer, 3));
        bytes[1] = 9;
        Assert.Equal(Codec.Dump(subscription), Codec.Dump(ConsumerProtocolSubscription.ReadRecord((byte[])[.. bytes, 1, 2, 3])));
    }
}
