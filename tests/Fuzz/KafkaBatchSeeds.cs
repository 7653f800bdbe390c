using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Storage.Records;

namespace Sluice.Fuzz;

/// <summary>Well-formed record batches as Kafka's clients send them.</summary>
internal static class KafkaBatchSeeds
{
    private const long TimeMs = 1_799_999_999_000;

    // One header: key "h", value "v"; one without a value.
    private static readonly byte[] Headers = [2, (byte)'h', 2, (byte)'v', 2, (byte)'n', 1];

    /// <summary>Inputs with their target byte and the byte of choices, as many of them as there are settings, in both versions.</summary>
    public static IReadOnlyList<byte[]> All(int targets)
    {
        byte[][] batches = [Batch(BatchProducer.None, 5), Batch(new BatchProducer(7, 2, 100, IsTransactional: false), 3), Batch(new BatchProducer(7, 2, 0, IsTransactional: true), 1), Zeros()];
        var seeds = new List<byte[]>();
        foreach (byte[] batch in batches)
        {
            for (byte target = 0; target < targets; target++)
            {
                for (byte choice = 0; choice < 10; choice++)
                {
                    seeds.Add([target, choice, .. batch]);
                    seeds.Add([target, (byte)(choice + 128), .. batch]);
                }
            }

            foreach (CompressionType type in new[] { CompressionType.Gzip, CompressionType.Snappy, CompressionType.Lz4, CompressionType.Zstd })
            {
                byte[] compressed = Compressed(batch, type);
                seeds.Add([0, 0, .. compressed]);
                seeds.Add([1, 0, .. compressed]);
                seeds.Add([1, 4, .. compressed]);
                seeds.Add([3, 200, .. compressed, .. compressed, .. batch]);
            }
        }

        return seeds;
    }

    private static byte[] Batch(BatchProducer producer, int records)
    {
        using var builder = new RecordBatchBuilder { IsBrokerMessage = false, Producer = producer };
        for (int i = 0; i < records; i++)
        {
            builder.Append(TimeMs + (i * 10), hasKey: i != 3, i == 3 ? default : "key"u8, hasValue: i != 2, i == 2 ? default : "the value of a record"u8, i % 2 == 0 ? Headers : default, i % 2 == 0 ? 2 : 0);
        }

        return builder.Seal().ToArray();
    }

    /// <summary>Small as it is sent, when compressed.</summary>
    private static byte[] Zeros()
    {
        using var builder = new RecordBatchBuilder { IsBrokerMessage = false };
        builder.Append(TimeMs, new byte[20_000], default, 0);
        return builder.Seal().ToArray();
    }

    private static byte[] Compressed(byte[] batch, CompressionType type)
    {
        using var records = new PooledBufferWriter(new BufferPool());
        Compressor.Compress(type, level: null, batch.AsSpan(RecordBatch.HeaderBytes), records);
        byte[] whole = [.. batch.AsSpan(0, RecordBatch.HeaderBytes), .. records.WrittenSpan];
        RecordBatch.SetCompression(whole, type);
        return whole;
    }
}
