using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Sluice.Base.Compression;
using Sluice.Storage.Records;

namespace Sluice.Storage.Tests;

/// <summary>A record batch as a Kafka client would send it, written by the definition of the format.</summary>
internal sealed record KafkaBatch
{
    public CompressionType Compression { get; init; }

    public bool IsLogAppendTime { get; init; }

    public bool IsTransactional { get; init; }

    public bool IsControl { get; init; }

    public long ProducerId { get; init; } = -1;

    public short ProducerEpoch { get; init; } = -1;

    public int BaseSequence { get; init; } = -1;

    /// <summary>For the batch header; null: the largest of the records.</summary>
    public long? MaxTimestamp { get; init; }

    /// <summary>A null key or value is none.</summary>
    public List<(long Timestamp, string? Key, string? Value)> Records { get; } = [];

    public static KafkaBatch Of(params string[] values)
    {
        KafkaBatch batch = new();
        batch.Records.AddRange(values.Select(static value => (1_000L, (string?)null, (string?)value)));
        return batch;
    }

    /// <summary>The marker at the end of a transaction.</summary>
    public static byte[] Marker(long producerId, short epoch, bool isCommit, int coordinatorEpoch = 0, long timestamp = 1_000)
    {
        byte[] key = [0, 0, 0, (byte)(isCommit ? 1 : 0)];
        byte[] value = new byte[6];
        BinaryPrimitives.WriteInt32BigEndian(value.AsSpan(2), coordinatorEpoch);
        KafkaBatch batch = new() { IsControl = true, IsTransactional = true, ProducerId = producerId, ProducerEpoch = epoch };
        return batch.Bytes([(timestamp, key, value)]);
    }

    public byte[] Bytes() => Bytes(Records.ConvertAll(static r => (r.Timestamp, r.Key is null ? null : Encoding.UTF8.GetBytes(r.Key), r.Value is null ? null : Encoding.UTF8.GetBytes(r.Value))));

    private byte[] Bytes(List<(long Timestamp, byte[]? Key, byte[]? Value)> records)
    {
        using RecordBatchBuilder builder = new() { IsBrokerMessage = false };
        foreach ((long timestamp, byte[]? key, byte[]? value) in records)
        {
            builder.Append(timestamp, key is not null, key, value is not null, new ReadOnlySequence<byte>(value ?? []), default, 0);
        }
        ReadOnlySpan<byte> plain = builder.Seal();
        byte[] body = plain[RecordBatch.HeaderBytes..].ToArray();
        byte[] batch = [.. plain[..RecordBatch.HeaderBytes], .. Compression == CompressionType.None ? body : CompressionTests.Compress(Compression, null, body)];
        int attributes = (int)Compression | (IsLogAppendTime ? 8 : 0) | (IsTransactional ? 16 : 0) | (IsControl ? 32 : 0);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(8), batch.Length - 12);
        BinaryPrimitives.WriteInt16BigEndian(batch.AsSpan(21), (short)attributes);
        if (MaxTimestamp is { } maxTimestamp)
        {
            BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(35), maxTimestamp);
        }
        BinaryPrimitives.WriteInt64BigEndian(batch.AsSpan(43), ProducerId);
        BinaryPrimitives.WriteInt16BigEndian(batch.AsSpan(51), ProducerEpoch);
        BinaryPrimitives.WriteInt32BigEndian(batch.AsSpan(53), BaseSequence);
        BinaryPrimitives.WriteUInt32BigEndian(batch.AsSpan(17), FormatTests.BitwiseCrc(batch.AsSpan(21)));
        return batch;
    }
}
