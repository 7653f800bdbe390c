using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>The primitive types, their limits and what is refused.</summary>
public sealed class ReaderTests
{
    private delegate T Reading<T>(ref KafkaReader reader);

    [Theory]
    [InlineData(0, "00")]
    [InlineData(127, "7f")]
    [InlineData(128, "8001")]
    [InlineData(300, "ac02")]
    [InlineData(16383, "ff7f")]
    [InlineData(16384, "808001")]
    [InlineData(268435455, "ffffff7f")]
    [InlineData(268435456, "8080808001")]
    [InlineData(uint.MaxValue, "ffffffff0f")]
    public void Unsigned_varint(uint value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(Codec.Write(writer => writer.WriteUnsignedVarint(value))));
        Assert.Equal(value, Read(hex, (ref KafkaReader reader) => reader.ReadUnsignedVarint()));
    }

    [Theory]
    [InlineData(0, "00")]
    [InlineData(-1, "01")]
    [InlineData(1, "02")]
    [InlineData(-64, "7f")]
    [InlineData(64, "8001")]
    [InlineData(int.MaxValue, "feffffff0f")]
    [InlineData(int.MinValue, "ffffffff0f")]
    public void Varint(int value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(Codec.Write(writer => writer.WriteVarint(value))));
        Assert.Equal(value, Read(hex, (ref KafkaReader reader) => reader.ReadVarint()));
    }

    [Theory]
    [InlineData(0, "00")]
    [InlineData(-1, "01")]
    [InlineData(150, "ac02")]
    [InlineData(long.MaxValue, "feffffffffffffffff01")]
    [InlineData(long.MinValue, "ffffffffffffffffff01")]
    public void Varlong(long value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(Codec.Write(writer => writer.WriteVarlong(value))));
        Assert.Equal(value, Read(hex, (ref KafkaReader reader) => reader.ReadVarlong()));
    }

    [Theory]
    [InlineData("ffffffff10")]
    [InlineData("ffffffffff01")]
    [InlineData("8080808080")]
    public void A_varint_of_more_than_32_bits_is_refused(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadUnsignedVarint());

    [Theory]
    [InlineData("ffffffffffffffffff02")]
    [InlineData("ffffffffffffffffffff01")]
    public void A_varlong_of_more_than_64_bits_is_refused(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadVarlong());

    [Theory]
    [InlineData("0002c328")]
    [InlineData("0001ff")]
    [InlineData("0003eda080")]
    public void A_string_that_is_not_UTF8_is_refused(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadString(flexible: false));

    [Theory]
    [InlineData("fffe")]
    [InlineData("8000")]
    [InlineData("ffff")]
    public void A_string_length_below_zero_is_refused_unless_it_means_null(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadString(flexible: false));

    [Fact]
    public void A_string_of_32767_bytes_is_the_longest()
    {
        string longest = new('x', short.MaxValue);
        foreach (bool flexible in new[] { false, true })
        {
            byte[] bytes = Codec.Write(writer => writer.WriteString(longest, flexible));
            Assert.Equal(longest, new KafkaReader(bytes).ReadString(flexible));
            Assert.Throws<KafkaWriteException>(() => Codec.Write(writer => writer.WriteString(longest + "x", flexible)));
        }

        byte[] longer = [.. Codec.Write(writer => writer.WriteUnsignedVarint(short.MaxValue + 2)), .. new byte[short.MaxValue + 1]];
        Assert.Throws<KafkaParseException>(() => new KafkaReader(longer).ReadString(flexible: true));
    }

    [Fact]
    public void Null_and_empty_differ()
    {
        Assert.Null(Read("ffff", (ref KafkaReader reader) => reader.ReadNullableString(flexible: false)));
        Assert.Equal("", Read("0000", (ref KafkaReader reader) => reader.ReadNullableString(flexible: false)));
        Assert.Null(Read("00", (ref KafkaReader reader) => reader.ReadNullableString(flexible: true)));
        Assert.Equal("", Read("01", (ref KafkaReader reader) => reader.ReadNullableString(flexible: true)));
        Assert.Null(Read("ffffffff", (ref KafkaReader reader) => reader.ReadNullableBytes(flexible: false)));
        Assert.Equal(0, Read("01", (ref KafkaReader reader) => reader.ReadNullableBytes(flexible: true))!.Value.Length);
        Assert.True(Read("00", (ref KafkaReader reader) => reader.ReadNullableRecords(flexible: true)).IsNull);
        Assert.False(Read("00000000", (ref KafkaReader reader) => reader.ReadNullableRecords(flexible: false)).IsNull);
        AssertRefused("00", (ref KafkaReader reader) => reader.ReadBytes(flexible: true));
        AssertRefused("ffffffff", (ref KafkaReader reader) => reader.ReadRecords(flexible: false));
    }

    [Fact]
    public void Bytes_are_slices_of_the_frame()
    {
        byte[] frame = [3, 1, 2, 0];
        ReadOnlyMemory<byte> bytes = new KafkaReader(frame).ReadBytes(flexible: true);
        frame[2] = 9;
        Assert.Equal([1, 9], bytes.ToArray());
    }

    [Theory]
    [InlineData("7fffffff")]
    [InlineData("00000005" + "00000000")]
    [InlineData("fffffffe")]
    public void An_array_that_the_rest_cannot_hold_is_refused(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadArrayLength(flexible: false, 1));

    [Theory]
    [InlineData("ffffffff0f")]
    [InlineData("03" + "00000000")]
    public void So_is_a_compact_one(string hex) => AssertRefused(hex, (ref KafkaReader reader) => reader.ReadArrayLength(flexible: true, 4));

    [Fact]
    public void A_message_has_no_more_structures_than_allowed()
    {
        var reader = new KafkaReader(new byte[10], structsMax: 5);
        reader.CountStructs(3);
        reader.CountStructs(2);
        try
        {
            reader.CountStructs(1);
            Assert.Fail("a sixth structure was let through");
        }
        catch (KafkaParseException error)
        {
            Assert.Contains("more than 5", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Arrays_of_structures_and_strings_count_to_that()
    {
        byte[] topics = Codec.Write(new Messages.MetadataRequest { Topics = [new() { Name = "a" }, new() { Name = "b" }, new() { Name = "c" }] }, 9);
        byte[] groups = Codec.Write(new Messages.DeleteGroupsRequest { GroupsNames = ["a", "b", "c"] }, 2);
        Read(new Messages.MetadataRequest(), topics, 9, 3);
        Read(new Messages.DeleteGroupsRequest(), groups, 2, 3);
        Assert.Throws<KafkaParseException>(() => Read(new Messages.MetadataRequest(), topics, 9, 2));
        Assert.Throws<KafkaParseException>(() => Read(new Messages.DeleteGroupsRequest(), groups, 2, 2));

        static void Read(IKafkaMessage message, byte[] bytes, short version, int structsMax)
        {
            var reader = new KafkaReader(bytes, structsMax);
            message.Read(ref reader, version);
        }
    }

    [Theory]
    [InlineData("02" + "0000")]
    [InlineData("01" + "0005" + "01020304")]
    [InlineData("ffffffff0f")]
    public void Tagged_fields_that_the_rest_cannot_hold_are_refused(string hex) => AssertRefused(hex, (ref KafkaReader reader) =>
    {
        reader.SkipTags();
        return 0;
    });

    /// <summary>A Fetch response's partition, version 12: its current leader (tag 1) is 9 bytes.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    public void A_known_tagged_field_must_have_the_size_it_announces(byte size)
    {
        var response = new Messages.FetchResponse { Responses = [new() { Partitions = [new() { CurrentLeader = new() { LeaderId = 0x55, LeaderEpoch = 1 } }] }] };
        byte[] bytes = Codec.Write(response, 12);
        int at = bytes.AsSpan().IndexOf((byte)0x55) - 4;
        Assert.Equal(9, bytes[at]);
        bytes[at] = size;
        Assert.Throws<KafkaParseException>(() => Codec.Read(new Messages.FetchResponse(), bytes, 12));
    }

    [Fact]
    public void Nothing_may_follow_the_end()
    {
        var reader = new KafkaReader(new byte[3]);
        reader.ReadInt16();
        Assert.Equal(1, reader.Remaining);
        Assert.Throws<KafkaParseException>(() =>
        {
            var rest = new KafkaReader(new byte[3]);
            rest.ReadInt16();
            rest.End();
        });
    }

    private static T Read<T>(string hex, Reading<T> read)
    {
        var reader = new KafkaReader(Convert.FromHexString(hex));
        T value = read(ref reader);
        reader.End();
        return value;
    }

    private static void AssertRefused<T>(string hex, Reading<T> read) => Assert.Throws<KafkaParseException>(() => Read(hex, read));
}
