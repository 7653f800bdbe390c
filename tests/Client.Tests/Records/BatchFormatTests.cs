using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Client.Producing;
using Sluice.Client.Records;

namespace Sluice.Client.Tests.Records;

public sealed class BatchFormatTests
{
    private const long Time = 1_700_000_000_000;

    private static readonly ProducerOptions s_options = new() { BootstrapServers = "none:1" };

    [Fact]
    public void A_batch_has_the_bytes_that_the_format_says()
    {
        // Two records: key "k", value "value", header h = 01; then null key and value, 5 ms later.
        string expected =
            "0000000000000000" + "00000049" + "FFFFFFFF" + "02" + "........" + "0000" + "00000001"
            + "0000018BCFE56800" + "0000018BCFE56805" + "0000000000000007" + "0003" + "0000000A" + "00000002"
            + "20" + "00" + "00" + "00" + "02" + "6B" + "0A" + "76616C7565" + "02" + "02" + "68" + "02" + "01"
            + "0C" + "00" + "0A" + "02" + "01" + "01" + "00";
        string actual = Convert.ToHexString(TwoRecords(s_options));
        Assert.Equal(expected.Length / 2, actual.Length / 2);
        Assert.Equal(expected, actual[..34] + "........" + actual[42..]);
        Assert.True(BatchHeader.HasRightChecksum(Convert.FromHexString(actual)));
    }

    [Fact]
    public void A_sealed_batch_can_be_sealed_again_under_another_id()
    {
        var pool = new BufferPool();
        var accumulator = new Accumulator(s_options, pool);
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        int reserved = 0;
        queue.TryAppend(new RecordFields { HasValue = true, Value = "v"u8 }, Time, default, ref reserved);
        ProducerBatch batch = queue.Take(int.MaxValue)!;
        queue.Number(batch);
        batch.Seal(s_options, 7, 1);
        Assert.Equal(7, BatchHeader.ProducerId(batch.Sealed.Span));
        queue.Renumber(new ProducerIdentity(8, 0));
        queue.Number(batch);
        batch.Seal(s_options, 8, 0);
        Assert.Equal(8, BatchHeader.ProducerId(batch.Sealed.Span));
        Assert.True(BatchHeader.HasRightChecksum(batch.Sealed.Span));
        accumulator.Complete(batch, 0, -1, null);
        Assert.Equal(0, pool.BlocksOut);
        Assert.Equal(0, accumulator.Memory.Used);
    }

    [Theory]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public void Compression_keeps_the_records(CompressionType type)
    {
        Assert.SkipUnless(Compressor.IsAvailable(type), $"the library of {type} is not installed");
        byte[] plain = TwoRecords(s_options);
        byte[] compressed = TwoRecords(s_options with { Compression = type });
        Assert.True(BatchHeader.HasRightChecksum(compressed));
        Assert.Equal(type, BatchHeader.Compression(compressed));
        using var records = new PooledBufferWriter(new BufferPool());
        Compressor.Decompress(type, compressed.AsSpan(BatchHeader.Bytes), 1000, records);
        Assert.Equal(plain.AsSpan(BatchHeader.Bytes), records.WrittenSpan);
    }

    private static byte[] TwoRecords(ProducerOptions options)
    {
        var accumulator = new Accumulator(options, new BufferPool());
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        RecordHeader[] headers = [new("h", new byte[] { 1 })];
        int reserved = 0;
        queue.TryAppend(
            new RecordFields { HasKey = true, Key = "k"u8, HasValue = true, Value = "value"u8, Headers = headers, HeadersBytes = RecordEncoder.HeadersSize(headers) },
            Time,
            default,
            ref reserved);
        queue.TryAppend(default, Time + 5, default, ref reserved);
        ProducerBatch batch = queue.Take(int.MaxValue)!;
        queue.NextSequence = 10;
        queue.Number(batch);
        batch.Seal(options, 7, 3);
        return batch.Sealed.ToArray();
    }
}
