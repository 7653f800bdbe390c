using System.Buffers.Binary;
using System.Text;
using Sluice.Base.Compression;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A record as a consumer sees it.</summary>
public sealed record FetchedRecord(long Offset, long Timestamp, string? Key, string? Value, (string Name, string? Value)[] Headers);

/// <summary>A record batch as it came from the broker, whose checksum was right.</summary>
public sealed class FetchedBatch
{
    private readonly ReadOnlyMemory<byte> _bytes;

    private FetchedBatch(ReadOnlyMemory<byte> bytes)
    {
        _bytes = bytes;
        Assert.Equal(2, Span[16]);
        Assert.Equal(BatchBuilder.Crc(Span[21..]), BinaryPrimitives.ReadUInt32BigEndian(Span[17..]));
        Records = ReadRecords();
    }

    public int Bytes => _bytes.Length;

    public long BaseOffset => BinaryPrimitives.ReadInt64BigEndian(Span);

    public int LeaderEpoch => BinaryPrimitives.ReadInt32BigEndian(Span[12..]);

    public CompressionType Compression => (CompressionType)(Span[22] & 7);

    public bool HasAppendTime => (Span[22] & 8) != 0;

    public long BaseTimestamp => BinaryPrimitives.ReadInt64BigEndian(Span[27..]);

    public long MaxTimestamp => BinaryPrimitives.ReadInt64BigEndian(Span[35..]);

    public long ProducerId => BinaryPrimitives.ReadInt64BigEndian(Span[43..]);

    public int ProducerEpoch => BinaryPrimitives.ReadInt16BigEndian(Span[51..]);

    public int BaseSequence => BinaryPrimitives.ReadInt32BigEndian(Span[53..]);

    /// <summary>From the attributes on: what a broker that keeps a batch as it came does not change.</summary>
    public byte[] Summed => Span[21..].ToArray();

    public IReadOnlyList<FetchedRecord> Records { get; }

    private ReadOnlySpan<byte> Span => _bytes.Span;

    /// <summary>The whole batches; a part of one at the end is not looked at.</summary>
    public static List<FetchedBatch> ReadAll(ReadOnlyMemory<byte> bytes)
    {
        var batches = new List<FetchedBatch>();
        while (bytes.Length >= BatchBuilder.HeaderBytes)
        {
            int size = 12 + BinaryPrimitives.ReadInt32BigEndian(bytes.Span[8..]);
            if (size > bytes.Length)
            {
                break;
            }

            batches.Add(new FetchedBatch(bytes[..size]));
            bytes = bytes[size..];
        }

        return batches;
    }

    private List<FetchedRecord> ReadRecords()
    {
        byte[] plain = BatchBuilder.Decompress(Compression, Span[BatchBuilder.HeaderBytes..]);
        var reader = new KafkaReader(plain);
        var records = new List<FetchedRecord>();
        int count = BinaryPrimitives.ReadInt32BigEndian(Span[57..]);
        for (int i = 0; i < count; i++)
        {
            int length = reader.ReadVarint();
            int end = reader.Position + length;
            reader.ReadInt8();
            long timestamp = BaseTimestamp + reader.ReadVarlong();
            long offset = BaseOffset + reader.ReadVarint();
            string? key = ReadText(ref reader, plain);
            string? value = ReadText(ref reader, plain);
            var headers = new (string, string?)[reader.ReadVarint()];
            for (int h = 0; h < headers.Length; h++)
            {
                headers[h] = (ReadText(ref reader, plain)!, ReadText(ref reader, plain));
            }

            Assert.Equal(end, reader.Position);
            records.Add(new FetchedRecord(offset, HasAppendTime ? MaxTimestamp : timestamp, key, value, headers));
        }

        reader.End();
        return records;
    }

    private static string? ReadText(ref KafkaReader reader, byte[] plain)
    {
        int length = reader.ReadVarint();
        if (length < 0)
        {
            return null;
        }

        string text = Encoding.UTF8.GetString(plain, reader.Position, length);
        for (int i = 0; i < length; i++)
        {
            reader.ReadInt8();
        }

        return text;
    }
}
