using System.Buffers.Binary;
using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Frames, growth, and records that are sent from where they lie.</summary>
public sealed class WriterTests
{
    [Fact]
    public void Errors_that_are_written_are_told_of()
    {
        var told = new List<KafkaErrorCode>();
        using var writer = new KafkaWriter(new BufferPool()) { ErrorWritten = told.Add };
        var response = new DeleteGroupsResponse
        {
            Results =
            [
                new() { GroupId = "a", ErrorCode = KafkaErrorCode.NonEmptyGroup },
                new() { GroupId = "b" },
                new() { GroupId = "c", ErrorCode = KafkaErrorCode.UnknownServerError },
            ],
        };
        response.Write(writer, 2);
        Assert.Equal([KafkaErrorCode.NonEmptyGroup, KafkaErrorCode.UnknownServerError], told);
    }

    [Fact]
    public void Records_are_spliced_in_and_count_to_the_size_of_the_frame()
    {
        var pool = new BufferPool();
        object file = new();
        using (var writer = new KafkaWriter(pool))
        {
            var response = new FetchResponse
            {
                Responses =
                [
                    new()
                    {
                        Partitions =
                        [
                            new() { PartitionIndex = 1, Records = RecordsPayload.FromSource(file, 4096, 1_000_000) },
                            new() { PartitionIndex = 2, Records = RecordsPayload.Empty },
                            new() { PartitionIndex = 3, Records = new byte[] { 7, 8, 9 } },
                        ],
                    },
                ],
            };
            writer.BeginFrame();
            new KafkaResponseHeader(5).Write(writer, 1);
            response.Write(writer, 17);
            writer.EndFrame();

            KafkaPiece[] pieces = [.. Pieces(writer)];
            Assert.Equal([false, true, false, true, false], pieces.Select(piece => !piece.Records.IsNull));
            Assert.Same(file, pieces[1].Records.Source);
            Assert.Equal(4096, pieces[1].Records.Position);
            Assert.Equal([7, 8, 9], pieces[3].Records.Memory.ToArray());
            Assert.Equal(writer.TotalBytes, pieces.Sum(piece => piece.Length));
            Assert.Equal(writer.TotalBytes - 4, BinaryPrimitives.ReadInt32BigEndian(writer.OwnBytes));
            Assert.Equal(writer.OwnBytes.ToArray(), pieces.Where(piece => piece.Records.IsNull).SelectMany(piece => piece.Bytes.ToArray()));
            Assert.Throws<InvalidOperationException>(writer.ToArray);

            // The compact length of the records stands right before them: 1,000,001.
            Assert.Equal([0xC1, 0x84, 0x3D], pieces[0].Bytes.Span[^3..].ToArray());
        }

        Assert.Equal(0, pool.BlocksOut);
    }

    [Fact]
    public void A_writer_grows_and_is_used_again()
    {
        var pool = new BufferPool();
        using (var writer = new KafkaWriter(pool))
        {
            for (int round = 0; round < 2; round++)
            {
                for (int i = 0; i < 100_000; i++)
                {
                    writer.WriteInt32(i);
                }

                Assert.Equal(400_000, writer.TotalBytes);
                Assert.Equal(99_999, BinaryPrimitives.ReadInt32BigEndian(writer.OwnBytes[^4..]));
                Assert.Equal(1, pool.BlocksOut);
                writer.Reset();
                Assert.Equal(0, writer.TotalBytes);
            }
        }

        Assert.Equal(0, pool.BlocksOut);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(16383)]
    [InlineData(16384)]
    [InlineData(70_000)]
    public void The_size_of_a_tagged_field_is_as_short_as_can_be(int size)
    {
        byte[] content = new byte[size];
        new Random(size).NextBytes(content);
        using var writer = new KafkaWriter(new BufferPool());
        writer.WriteInt8(1);
        int start = writer.BeginTag(300);
        foreach (byte octet in content)
        {
            writer.WriteInt8((sbyte)octet);
        }

        writer.EndTag(start);
        writer.WriteInt8(2);

        byte[] bytes = writer.ToArray();
        Assert.Equal(1 + 2 + (size < 128 ? 1 : size < 16384 ? 2 : 3) + size + 1, bytes.Length);
        var reader = new KafkaReader(bytes);
        Assert.Equal(1, reader.ReadInt8());
        Assert.Equal(300u, reader.ReadTag(out int end));
        Assert.Equal(content, bytes[reader.Position..end]);
        reader.SkipTag(end);
        Assert.Equal(2, reader.ReadInt8());
        reader.End();
    }

    [Fact]
    public void Several_frames_follow_one_another()
    {
        using var writer = new KafkaWriter(new BufferPool());
        for (short i = 1; i <= 3; i++)
        {
            writer.BeginFrame();
            writer.WriteBytes(new byte[i], flexible: true);
            writer.WriteRecords(new byte[10], flexible: true);
            writer.EndFrame();
        }

        var reader = new KafkaReader(writer.ToArray());
        for (int i = 1; i <= 3; i++)
        {
            Assert.Equal(1 + i + 1 + 10, reader.ReadInt32());
            Assert.Equal(i, reader.ReadBytes(flexible: true).Length);
            Assert.Equal(10, reader.ReadRecords(flexible: true).Length);
        }

        reader.End();
    }

    [Fact]
    public void A_frame_of_more_than_2_GB_is_refused()
    {
        using var writer = new KafkaWriter(new BufferPool());
        writer.BeginFrame();
        writer.WriteRecords(RecordsPayload.FromSource(new object(), 0, int.MaxValue), flexible: true);
        Assert.Throws<KafkaWriteException>(writer.EndFrame);
    }

    private static List<KafkaPiece> Pieces(KafkaWriter writer)
    {
        var pieces = new List<KafkaPiece>();
        foreach (KafkaPiece piece in writer.Pieces)
        {
            pieces.Add(piece);
        }

        return pieces;
    }
}
