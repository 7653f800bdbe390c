using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A record to be sent.</summary>
public sealed record SentRecord(string? Value, string? Key = null, long TimestampDelta = 0, int? OffsetDelta = null, params (string Name, string? Value)[] Headers);

/// <summary>Makes record batches of version 2, right or wrong in any field.</summary>
public sealed class BatchBuilder
{
    public const int HeaderBytes = 61;

    private static readonly BufferPool Buffers = new();

    public static long NowMs => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    public List<SentRecord> Records { get; init; } = [];

    public long BaseOffset { get; init; }

    public byte Magic { get; init; } = 2;

    /// <summary>Beside the compression type.</summary>
    public short Attributes { get; init; }

    public CompressionType Compression { get; init; }

    public long BaseTimestamp { get; init; } = NowMs;

    public long? MaxTimestamp { get; init; }

    public long ProducerId { get; init; } = -1;

    public short ProducerEpoch { get; init; } = -1;

    public int BaseSequence { get; init; } = -1;

    public int? LastOffsetDelta { get; init; }

    public int? RecordCount { get; init; }

    /// <summary>Changes the encoded records before they are compressed.</summary>
    public Func<byte[], byte[]> ChangeRecords { get; init; } = static bytes => bytes;

    /// <summary>Changes the records after they were compressed.</summary>
    public Func<byte[], byte[]> ChangeCompressed { get; init; } = static bytes => bytes;

    /// <summary>A batch of records with these values.</summary>
    public static byte[] Of(params string[] values) => new BatchBuilder { Records = [.. values.Select(static value => new SentRecord(value))] }.Build();

    /// <summary>A batch of an idempotent producer.</summary>
    public static byte[] Of(long producerId, int epoch, int sequence, params string[] values) => new BatchBuilder
    {
        Records = [.. values.Select(static value => new SentRecord(value))],
        ProducerId = producerId,
        ProducerEpoch = (short)epoch,
        BaseSequence = sequence,
    }.Build();

    public byte[] Build()
    {
        byte[] body = ChangeCompressed(Compress(ChangeRecords(EncodeRecords())));
        byte[] batch = new byte[HeaderBytes + body.Length];
        BinaryPrimitives.WriteInt64BigEndian(batch, BaseOffset);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(8), batch.Length - 12);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(12), -1);
        batch[16] = Magic;
        BinaryPrimitives.WriteInt16BigEndian(batch.AsSpan(21), (short)(Attributes | (short)Compression));
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(23), LastOffsetDelta ?? (Records.Count - 1));
        BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(27), BaseTimestamp);
        BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(35), MaxTimestamp ?? (BaseTimestamp + Records.Select(static record => record.TimestampDelta).DefaultIfEmpty(0).Max()));
        BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(43), ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(batch.AsSpan(51), ProducerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(53), BaseSequence);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(57), RecordCount ?? Records.Count);
        body.CopyTo(batch.AsSpan(HeaderBytes));
        return Sum(batch);
    }

    /// <summary>Writes the checksum of a batch anew; returns it.</summary>
    public static byte[] Sum(byte[] batch)
    {
        BinaryPrimitives.WriteUInt32BigEndian(batch.AsSpan(17), Crc(batch.AsSpan(21)));
        return batch;
    }

    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte octet in bytes)
        {
            crc = BitOperations.Crc32C(crc, octet);
        }

        return ~crc;
    }

    public static byte[] Decompress(CompressionType type, ReadOnlySpan<byte> bytes)
    {
        using var output = new PooledBufferWriter(Buffers);
        Compressor.Decompress(type, bytes, 64 << 20, output);
        return output.WrittenSpan.ToArray();
    }

    private byte[] EncodeRecords()
    {
        using var all = new KafkaWriter(Buffers);
        for (int i = 0; i < Records.Count; i++)
        {
            SentRecord record = Records[i];
            using var one = new KafkaWriter(Buffers);
            one.WriteInt8(0);
            one.WriteVarlong(record.TimestampDelta);
            one.WriteVarint(record.OffsetDelta ?? i);
            Write(one, record.Key);
            Write(one, record.Value);
            one.WriteVarint(record.Headers.Length);
            foreach ((string name, string? value) in record.Headers)
            {
                Write(one, name);
                Write(one, value);
            }

            all.WriteVarint((int)one.TotalBytes);
            foreach (byte octet in one.OwnBytes)
            {
                all.WriteInt8((sbyte)octet);
            }
        }

        return all.ToArray();
    }

    private byte[] Compress(byte[] records)
    {
        if (Compression == CompressionType.None)
        {
            return records;
        }

        using var output = new PooledBufferWriter(Buffers);
        Compressor.Compress(Compression, level: null, records, output);
        return output.WrittenSpan.ToArray();
    }

    private static void Write(KafkaWriter writer, string? text)
    {
        if (text is null)
        {
            writer.WriteVarint(-1);
            return;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.WriteVarint(bytes.Length);
        foreach (byte octet in bytes)
        {
            writer.WriteInt8((sbyte)octet);
        }
    }
}
