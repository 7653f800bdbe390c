using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Base.Scheduling;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;

namespace Sluice.Fuzz;

/// <summary>
/// What reads record batches of strangers as they come in produce requests. The input's first byte chooses how much of it is made right before it is looked
/// at, the second the topic's settings, the version of the request and the compression. A batch may be refused by an error code; an exception, memory out of
/// proportion to the input, a block not returned, or a batch that is taken and cannot be read again whole is a finding.
/// </summary>
public sealed class KafkaBatchTargets : IFuzzTargets
{
    private const int TargetCount = 4;
    private const int MaxMessageBytes = 1 << 20;
    private const long NowMs = 1_800_000_000_000;
    private const short OldVersion = 3;
    private const short NewVersion = 11;

    // Exceptions and the streams of gzip; then a hundred wrong records for the fewest bytes.
    private const long AllocatedBytesFixed = 1 << 20;
    private const long AllocatedBytesPerByte = 512;

    // What doubles when it is full has been taken twice as often in all.
    private const int GrowthFactor = 4;

    private readonly BufferPool _pool = new();
    private readonly LogStore _store = LogStore.Open(new LogStoreOptions(), new FaultDisk(1), new SystemScheduler(), TimeProvider.System, NullLoggerFactory.Instance);
    private readonly TopicSettings[] _settings;

    /// <summary>Makes the targets ready; nothing of them is shared.</summary>
    public KafkaBatchTargets()
    {
        var usual = new TopicSettings { MaxMessageBytes = MaxMessageBytes, TimestampBeforeMaxMs = long.MaxValue, TimestampAfterMaxMs = 3_600_000 };
        _settings =
        [
            usual,
            usual with { IsCompacted = true },
            usual with { UsesAppendTime = true },
            usual with { TimestampBeforeMaxMs = 1000, TimestampAfterMaxMs = 1000 },
            .. new[] { "uncompressed", "gzip", "snappy", "lz4", "zstd" }.Select(type => usual with { Compression = type }),
            usual with { MaxMessageBytes = 200 },
        ];
    }

    public IReadOnlyList<byte[]> Seeds { get; } = KafkaBatchSeeds.All(TargetCount);

    public Task RunAsync(byte[] input)
    {
        if (input.Length < 2)
        {
            return Task.CompletedTask;
        }

        byte[] bytes = input[2..];
        switch (input[0] % TargetCount)
        {
            case 0:
                Take(bytes, input[1]);
                break;
            case 1 when bytes.Length >= RecordBatch.HeaderBytes:
                Take(MadeRight(bytes, RecordBatch.CompressionType(bytes)), input[1]);
                break;
            case 2 when bytes.Length >= RecordBatch.HeaderBytes:
                Take(Compressed(bytes, (CompressionType)(input[1] % 5)), input[1]);
                break;
            case 3:
                Scan(bytes, untilOffset: input[1]);
                break;
            default:
                break;
        }

        if (_pool.BlocksOut != 0)
        {
            throw new InvalidOperationException($"{_pool.BlocksOut} blocks were not returned");
        }

        return Task.CompletedTask;
    }

    public void Dispose() => _store.Dispose();

    private static byte[] MadeRight(byte[] batch, CompressionType type)
    {
        RecordBatch.SetCompression(batch, type);
        return batch;
    }

    /// <summary>The records as they are, but compressed: what is wrong with them is only found behind the compression.</summary>
    private byte[] Compressed(byte[] batch, CompressionType type)
    {
        using var records = new PooledBufferWriter(_pool);
        Compressor.Compress(type, level: null, batch.AsSpan(RecordBatch.HeaderBytes), records);
        return MadeRight([.. batch.AsSpan(0, RecordBatch.HeaderBytes), .. records.WrittenSpan], type);
    }

    private void Take(byte[] bytes, byte choice)
    {
        TopicSettings settings = _settings[choice % _settings.Length];
        short version = choice < 128 ? NewVersion : OldVersion;
        long ratio = bytes.Length >= RecordBatch.HeaderBytes ? RatioMax(RecordBatch.CompressionType(bytes)) : 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        var intake = new BatchIntake(_pool, settings, NowMs);
        try
        {
            KafkaErrorCode error = intake.Take(bytes, version);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > AllocatedBytesFixed + (bytes.Length * (AllocatedBytesPerByte + (ratio * GrowthFactor))))
            {
                throw new InvalidOperationException($"{bytes.Length} bytes made the intake allocate {allocated}");
            }

            if (error == KafkaErrorCode.None)
            {
                CheckTaken(intake.Batch, settings, version);
            }
            else if (error is KafkaErrorCode.UnknownServerError or KafkaErrorCode.InvalidRecord && intake.Message is null)
            {
                throw new InvalidOperationException($"refused with {error} and no word");
            }
        }
        finally
        {
            intake.Dispose();
        }
    }

    /// <summary>The most that a byte of compressed data can hold.</summary>
    private static long RatioMax(CompressionType type) => type switch
    {
        CompressionType.Gzip => 1100,
        CompressionType.Snappy => 22,
        CompressionType.Lz4 => 256,
        CompressionType.Zstd => 45_000,
        _ => 1,
    };

    /// <summary>What is taken must be what all who read it later rely on.</summary>
    private void CheckTaken(ReadOnlySpan<byte> batch, TopicSettings settings, short version)
    {
        if (!RecordBatch.IsIntact(batch) || batch.Length > settings.MaxMessageBytes)
        {
            throw new InvalidOperationException("a batch was taken that is not whole, or too large");
        }

        using var records = new PooledBufferWriter(_pool);
        Compressor.Decompress(RecordBatch.CompressionType(batch), batch[RecordBatch.HeaderBytes..], int.MaxValue, records);
        var reader = new RecordBatchReader(batch, records.WrittenSpan);
        int count = 0;
        while (reader.TryRead(out RecordView record))
        {
            if (record.Offset != count++ || !RecordHeaders.AreValid(record) || record.Timestamp > RecordBatch.MaxTimestamp(batch))
            {
                throw new InvalidOperationException($"record {count - 1} of a batch that was taken is wrong");
            }
        }

        if (count != RecordBatch.RecordCount(batch) || !reader.IsAtEnd)
        {
            throw new InvalidOperationException($"{count} of {RecordBatch.RecordCount(batch)} records of a batch that was taken can be read");
        }

        // Only the broker writes its own timestamps, and version 3 knows no zstd.
        if (settings.UsesAppendTime || version == OldVersion)
        {
            return;
        }

        var again = new BatchIntake(_pool, settings, NowMs);
        try
        {
            KafkaErrorCode error = again.Take(batch, version);
            if (error != KafkaErrorCode.None || !again.Batch.SequenceEqual(batch))
            {
                throw new InvalidOperationException($"a batch that was taken is {(error == KafkaErrorCode.None ? "changed" : error)} when it comes again");
            }
        }
        finally
        {
            again.Dispose();
        }
    }

    private void Scan(byte[] bytes, long untilOffset)
    {
        using var chain = new SliceChain();
        foreach (byte[] part in new[] { bytes[..(bytes.Length / 2)], bytes[(bytes.Length / 2)..] })
        {
            byte[] block = _store.Buffers.Take(Math.Max(1, part.Length));
            part.CopyTo(block, 0);
            chain.Add(new LogSlice(_store, block, part.Length, 0, 0));
        }

        long end = 0;
        foreach (BatchSpan batch in BatchScanner.Scan(chain, untilOffset))
        {
            if (batch.Position != end || batch.Size < RecordBatch.HeaderBytes || batch.Position + batch.Size > bytes.Length)
            {
                throw new InvalidOperationException($"a batch is found at {batch.Position} of {bytes.Length} bytes, {batch.Size} long");
            }

            end += batch.Size;
        }
    }
}
