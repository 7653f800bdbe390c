using System.Buffers;
using System.Text;
using Sluice.Base.Binary;
using Sluice.Storage.Compaction;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;

namespace Sluice.Storage.Tests;

public sealed class FormatTests
{
    [Fact]
    public void Record_batch_has_the_bytes_of_kafka_v2()
    {
        using RecordBatchBuilder builder = new();
        builder.Append(1_700_000_000_000, hasKey: true, "k"u8, hasValue: true, new ReadOnlySequence<byte>("value"u8.ToArray()), [2, (byte)'h', 4, (byte)'v', (byte)'w'], 1);
        builder.Append(1_700_000_000_005, hasKey: false, default, hasValue: false, default, default, 0);
        byte[] batch = builder.Seal().ToArray();
        Assert.Equal(
            "0000000000000000" + "0000004A" + "FFFFFFFF" + "02" + Convert.ToHexString(batch, 17, 4) + "0100" + "00000001"
            + "0000018BCFE56800" + "0000018BCFE56805" + "FFFFFFFFFFFFFFFF" + "FFFF" + "FFFFFFFF" + "00000002"
            + "22" + "00" + "00" + "00" + "02" + "6B" + "0A" + "76616C7565" + "02" + "0268" + "047677"
            + "0C" + "00" + "0A" + "02" + "01" + "01" + "00",
            Convert.ToHexString(batch));
        Assert.Equal(BitwiseCrc(batch.AsSpan(21)), System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(batch.AsSpan(17)));
    }

    [Fact]
    public void Crc_is_castagnoli()
    {
        // RFC 3720, B.4.
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
    }

    [Fact]
    public void Batches_round_trip_and_no_prefix_passes()
    {
        Random random = new(7);
        for (int round = 0; round < 50; round++)
        {
            using RecordBatchBuilder builder = new();
            List<(long Time, byte[] Value)> expected = [];
            int count = random.Next(1, 10);
            for (int i = 0; i < count; i++)
            {
                byte[] value = new byte[random.Next(300)];
                random.NextBytes(value);
                long time = random.NextInt64(-5, 1L << 45);
                expected.Add((time, value));
                builder.Append(time, value, default, 0);
            }
            byte[] batch = builder.Seal().ToArray();
            Assert.True(RecordBatch.IsIntact(batch));
            RecordBatch.SetBaseOffset(batch, 100);
            RecordContext context = new(batch);
            int position = RecordBatch.HeaderBytes;
            for (int i = 0; i < count; i++)
            {
                position = RecordParser.Parse(batch, position, context, out RecordView view);
                Assert.Equal(100 + i, view.Offset);
                Assert.Equal(expected[i].Time, view.Timestamp);
                Assert.True(view.Value.SequenceEqual(expected[i].Value));
            }
            Assert.Equal(batch.Length, position);
            Assert.Equal(expected.Max(static e => e.Time), RecordBatch.MaxTimestamp(batch));
            for (int length = 0; length < batch.Length; length++)
            {
                Assert.False(RecordBatch.IsIntact(batch.AsSpan(0, length)));
                int at = RecordBatch.HeaderBytes;
                while (at >= 0 && at < length)
                {
                    at = RecordParser.Parse(batch.AsSpan(0, length), at, context, out _);
                }
            }
            int bit = random.Next((batch.Length - 21) * 8);
            batch[21 + (bit / 8)] ^= (byte)(1 << (bit % 8));
            Assert.False(RecordBatch.IsIntact(batch));
        }
    }

    [Fact]
    public void Varints_round_trip_and_over_long_ones_fail()
    {
        Span<byte> bytes = stackalloc byte[Varint.BytesMax];
        foreach (long value in (long[])[0, -1, 1, 63, 64, -64, -65, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue])
        {
            int size = Varint.Write(bytes, value);
            Assert.Equal(size, Varint.Size(value));
            int position = 0;
            Assert.True(Varint.TryRead(bytes[..size], ref position, out long read));
            Assert.Equal((value, size), (read, position));
            position = 0;
            Assert.False(Varint.TryRead(bytes[..(size - 1)], ref position, out _));
        }
        int at = 0;
        Assert.False(Varint.TryRead("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"u8, ref at, out _));
    }

    [Fact]
    public void Journal_entry_has_these_bytes()
    {
        byte[] entry = new byte[48];
        entry[32] = 5;
        entry[40] = 9;
        uint bodyCrc = Crc32C.Compute(entry.AsSpan(32));
        JournalFormat.WriteEntryHeader(entry, JournalEntryType.Settle, Durability.Disk, 0x77, 16, bodyCrc, epoch: 3, position: 1000, durable: 900);
        Assert.Equal("10000000" + Convert.ToHexString(BitConverter.GetBytes(bodyCrc)) + "64000000" + "7700000000000000" + "02" + "02" + "000000000000",
            Convert.ToHexString(entry, 4, 28));
        Assert.True(JournalFormat.TryReadEntryHeader(entry, 3, 1000, out JournalEntryHeader read));
        Assert.Equal(new JournalEntryHeader(JournalEntryType.Settle, Durability.Disk, 0x77, 16, bodyCrc, 900), read);
        Assert.False(JournalFormat.TryReadEntryHeader(entry, 4, 1000, out _));
        Assert.False(JournalFormat.TryReadEntryHeader(entry, 3, 1008, out _));

        byte[] seed = [3, 0, 0, 0, 0, 0, 0, 0, 0xE8, 3, 0, 0, 0, 0, 0, 0, .. entry.AsSpan(4, 28)];
        Assert.Equal(BitwiseCrc(seed), BitConverter.ToUInt32(entry));
    }

    [Fact]
    public void Persisted_numbers_never_change()
    {
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9], Enum.GetValues<JournalEntryType>().Select(static t => (int)t));
        Assert.Equal([0, 1, 2], Enum.GetValues<Durability>().Select(static t => (int)t));
        Assert.Equal([1, 2], Enum.GetValues<LogKind>().Select(static t => (int)t));
        byte[] note = new byte[WrittenBatch.PayloadBytes];
        new WrittenBatch(5, 7, 0x01020304, 9).Write(note);
        Assert.Equal("0500000000000000" + "0700000000000000" + "04030201" + "09000000", Convert.ToHexString(note));
        Assert.Equal(new WrittenBatch(5, 7, 0x01020304, 9), WrittenBatch.Read(note));
        byte[] definition = new byte[LogDefinition.Bytes];
        Assert.Equal(LogDefinition.Bytes, LogDefinition.Write(definition, LogKind.Durable, new RetentionPolicy(true, 5, 6, 7)));
        Assert.Equal("010F0000" + "07000000" + "0500000000000000" + "0600000000000000", Convert.ToHexString(definition));
        RetentionPolicy compacted = new(false, Compaction: new CompactionPolicy(0.5, 1, 2, 3, 4));
        definition = new byte[LogDefinition.BytesMax];
        Assert.Equal(LogDefinition.BytesMax, LogDefinition.Write(definition, LogKind.Durable, compacted));
        Assert.Equal("01100000" + "00000000" + "0000000000000000" + "0000000000000000" + "000000000000E03F" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000", Convert.ToHexString(definition));
        Assert.Equal((LogKind.Durable, compacted), LogDefinition.Read(definition));
    }

    /// <summary>CRC-32C by its definition, so that the tests do not ask the code under test.</summary>
    internal static uint BitwiseCrc(ReadOnlySpan<byte> data)
    {
        uint crc = ~0u;
        foreach (byte b in data)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }
        }
        return ~crc;
    }
}
