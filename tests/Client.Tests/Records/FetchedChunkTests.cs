using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Client.Connections;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Tests.Records;

public sealed class FetchedChunkTests
{
    private static readonly ConsumerOptions s_options = new() { BootstrapServers = "none:1" };

    private readonly BufferPool _pool = new();

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    public void Records_come_from_the_offset_asked_for_on_and_a_cut_batch_is_left(CompressionType type)
    {
        byte[] whole = [.. Batch(10, 5, type: type), .. Batch(15, 3, type: type), .. Batch(18, 2, type: type)];
        for (int cut = 1; cut < Batch(18, 2, type: type).Length; cut++)
        {
            using FetchedChunk chunk = Chunk(whole[..^cut], from: 12);
            Assert.Equal(18, chunk.EndOffset);
            Assert.Equal([12L, 13, 14, 15, 16, 17], Read(chunk));
        }

        Assert.Equal(0, _pool.BlocksOut);
    }

    [Fact]
    public void Nothing_whole_moves_nothing()
    {
        using FetchedChunk chunk = Chunk(Batch(0, 2)[..^1], from: 0);
        Assert.Equal(0, chunk.EndOffset);
        Assert.Empty(Read(chunk));
    }

    [Fact]
    public void What_was_rolled_back_is_seen_only_by_those_who_want_to()
    {
        // Producer 1 rolls back 0-1, commits 5-6 and rolls back 8; producer 2 commits 2-3; 10 is nobody's.
        byte[] log =
        [
            .. Batch(0, 2, producer: 1), .. Batch(2, 2, producer: 2), .. Marker(4, producer: 1), .. Batch(5, 2, producer: 1), .. Marker(7, producer: 1),
            .. Batch(8, 1, producer: 1), .. Marker(9, producer: 1), .. Batch(10, 1), .. Marker(11, producer: 2),
        ];
        FetchResponse.AbortedTransaction[] aborted = [new() { ProducerId = 1, FirstOffset = 8 }, new() { ProducerId = 1, FirstOffset = 0 }];
        using FetchedChunk committed = Chunk(log, from: 0, s_options, aborted);
        Assert.Equal([2L, 3, 5, 6, 10], Read(committed));
        Assert.Equal(12, committed.EndOffset);
        using FetchedChunk all = Chunk(log, from: 0, s_options with { IsolationLevel = IsolationLevel.ReadUncommitted }, aborted);
        Assert.Equal([0L, 1, 2, 3, 5, 6, 8, 10], Read(all));
    }

    [Fact]
    public void Damage_is_found()
    {
        byte[] batch = Batch(7, 2);
        for (int i = 16; i < batch.Length; i++)
        {
            byte[] damaged = [.. batch];
            damaged[i] ^= 0x10;
            KafkaClientException error = Assert.Throws<KafkaClientException>(() =>
            {
                using FetchedChunk chunk = Chunk(damaged, from: 7);
                Read(chunk);
            });
            Assert.Equal(KafkaErrorCode.CorruptMessage, error.ErrorCode);
            Assert.Contains("offset 7 of t-0", error.Message);
        }
    }

    [Fact]
    public void Without_checksums_damage_is_an_error_or_another_value_but_no_other_harm()
    {
        byte[] batch = Batch(7, 3);
        for (int i = 0; i < batch.Length * 8; i++)
        {
            byte[] damaged = [.. batch];
            damaged[i / 8] ^= (byte)(1 << (i % 8));
            try
            {
                using FetchedChunk chunk = Chunk(damaged, from: 0, s_options with { CheckCrcs = false, DecompressedBytesMax = 4096 }, []);
                Assert.True(Read(chunk).Count <= 1000);
            }
            catch (KafkaClientException error)
            {
                Assert.Equal(KafkaErrorCode.CorruptMessage, error.ErrorCode);
            }
        }
    }

    private static List<long> Read(FetchedChunk chunk)
    {
        List<long> offsets = [];
        while (chunk.TryRead(out FetchedRecord record))
        {
            offsets.Add(record.Offset);
        }

        return offsets;
    }

    private static byte[] Batch(long offset, int count, long producer = -1, CompressionType type = CompressionType.None)
    {
        var options = new ProducerOptions { BootstrapServers = "none:1", Compression = type, TransactionalId = producer < 0 ? null : "t" };
        var accumulator = new Accumulator(options, new BufferPool());
        PartitionQueue queue = accumulator.Queue("t", 0, 1);
        int reserved = 0;
        for (int i = 0; i < count; i++)
        {
            queue.TryAppend(new RecordFields { HasValue = true, Value = "some value"u8 }, 1000, default, ref reserved);
        }

        ProducerBatch batch = queue.Take(int.MaxValue)!;
        batch.Seal(options, producer, (short)(producer < 0 ? -1 : 0));
        byte[] bytes = batch.Sealed.ToArray();
        BinaryPrimitives.WriteInt64BigEndian(bytes, offset);
        return bytes;
    }

    private static byte[] Marker(long offset, long producer)
    {
        byte[] bytes = Batch(offset, 1, producer);
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(21), (1 << 4) | (1 << 5));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(17), Crc32C.Compute(bytes.AsSpan(21)));
        return bytes;
    }

    private FetchedChunk Chunk(byte[] bytes, long from) => Chunk(bytes, from, s_options, []);

    private FetchedChunk Chunk(byte[] bytes, long from, ConsumerOptions options, FetchResponse.AbortedTransaction[] aborted)
    {
        var state = new PartitionState(new TopicPartition("t", 0));
        state.Seek(from);
        var share = new AnswerShare(new Answer<FetchResponse>(new FetchResponse(), _pool, null));
        return new FetchedChunk(state, from, new FetchResponse.PartitionData { Records = bytes, AbortedTransactions = aborted }, share, options, _pool);
    }
}
