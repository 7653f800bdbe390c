using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Broker.Topics;
using Sluice.Fuzz;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Tests.Records;

/// <summary>Batches of strangers: the fuzz target holds against some thousands of seeded mutations, and small batches do not become larger than what the log can open.</summary>
public sealed class BatchIntakeTests
{
    private const int ZerosBytes = LogStoreOptions.DecompressedBatchBytesDefault + 1;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Seeded_mutations_find_nothing(int seed)
    {
        using var targets = new KafkaBatchTargets();
        await Mutations.RunAsync(targets, seed, 10_000);
    }

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public void A_decompression_bomb_is_a_message_too_large(CompressionType type)
    {
        var pool = new BufferPool();
        using var builder = new RecordBatchBuilder { IsBrokerMessage = false };
        builder.Append(1_800_000_000_000, "value"u8, default, 0);
        using var zeros = new PooledBufferWriter(pool);
        Compressor.Compress(type, level: null, new byte[ZerosBytes], zeros);
        byte[] batch = [.. builder.Seal()[..RecordBatch.HeaderBytes], .. zeros.WrittenSpan];
        RecordBatch.SetCompression(batch, type);

        var intake = new BatchIntake(pool, new TopicSettings { MaxMessageBytes = 4 << 20, TimestampAfterMaxMs = long.MaxValue, TimestampBeforeMaxMs = long.MaxValue }, 0);
        Assert.Equal(KafkaErrorCode.MessageTooLarge, intake.Take(batch, 9));
        Assert.Contains("when decompressed", intake.Message);
        intake.Dispose();
        zeros.Dispose();
        Assert.Equal(0, pool.BlocksOut);
    }
}
