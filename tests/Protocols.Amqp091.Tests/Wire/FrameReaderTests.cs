using System.Buffers;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests.Wire;

/// <summary>AMQP-4.2.3: frames.</summary>
public sealed class FrameReaderTests
{
    private static readonly byte[] s_stream = Stream();

    [Fact]
    public void Frames_are_read_in_place()
    {
        using var scratch = new FrameScratch();
        var reader = new FrameReader(new ReadOnlySequence<byte>(s_stream), 4096, scratch);
        Assert.True(reader.TryRead(out Frame ack));
        Assert.Equal((FrameType.Method, (ushort)7), (ack.Type, ack.Channel));
        Assert.Equal(9UL, BasicAck.Read(ack.Payload[4..]).DeliveryTag);
        Assert.True(reader.TryRead(out Frame heartbeat));
        Assert.Equal(FrameType.Heartbeat, heartbeat.Type);
        Assert.True(heartbeat.Payload.IsEmpty);
        Assert.True(reader.TryRead(out Frame header));
        Assert.Equal(5UL, ContentHeader.Read(header.Payload).BodySize);
        Assert.True(reader.TryRead(out Frame body));
        Assert.Equal("hello"u8, body.Payload);
        Assert.False(reader.TryRead(out _));
        Assert.Equal(s_stream.Length, reader.Consumed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(11)]
    [InlineData(30)]
    public void Frames_across_segments_are_the_same(int segmentLength)
    {
        using var scratch = new FrameScratch();
        var reader = new FrameReader(Segments.Cut(s_stream, segmentLength), 4096, scratch);
        var seen = new List<string>();
        while (reader.TryRead(out Frame frame))
        {
            Assert.True(frame.Memory.Span.SequenceEqual(frame.Payload));
            seen.Add($"{frame.Type} {frame.Channel} {Convert.ToHexString(frame.Payload)}");
        }

        Assert.Equal(s_stream.Length, reader.Consumed);
        Assert.Equal(["Method 7 003C0050000000000000000900", "Heartbeat 0 ", "Header 7 003C000000000000000000050000", "Body 7 68656C6C6F"], seen);
    }

    [Fact]
    public void Every_prefix_gives_the_whole_frames_in_it_and_wants_more()
    {
        for (int length = 0; length < s_stream.Length; length++)
        {
            using var scratch = new FrameScratch();
            var reader = new FrameReader(Segments.Cut(s_stream[..length], 5), 4096, scratch);
            while (reader.TryRead(out _))
            {
            }

            Assert.True(reader.Consumed <= length);
        }
    }

    [Fact]
    public void A_frame_beyond_the_maximum_loses_the_framing_before_it_is_whole()
    {
        byte[] head = [1, 0, 1, 0, 0, 0x10, 1];
        AmqpException error = Assert.Throws<AmqpException>(() => Read(head, 4096));
        Assert.Equal(ReplyCode.FrameError, error.Code);
        Assert.True(error.LostFraming);
        Assert.Contains("frame_too_large", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(4)]
    public void A_wrong_end_octet_loses_the_framing(int segmentLength)
    {
        byte[] heartbeat = FrameWriter.Heartbeat.ToArray();
        heartbeat[^1] = 0xCD;
        AmqpException error = Assert.Throws<AmqpException>(() =>
        {
            using var scratch = new FrameScratch();
            var reader = new FrameReader(Segments.Cut(heartbeat, segmentLength), 4096, scratch);
            reader.TryRead(out _);
        });
        Assert.Equal(ReplyCode.FrameError, error.Code);
        Assert.True(error.LostFraming);
    }

    [Fact]
    public void Protocol_headers_are_told_apart()
    {
        Assert.Equal(ProtocolHeaderKind.Supported, ProtocolHeader.Read("AMQP\0\0\x09\x01"u8));
        Assert.Equal(ProtocolHeaderKind.Supported, ProtocolHeader.Read("AMQP\x01\x01\0\x09"u8));
        Assert.Equal(ProtocolHeaderKind.OtherVersion, ProtocolHeader.Read("AMQP\0\x01\0\0"u8));
        Assert.Equal(ProtocolHeaderKind.Unknown, ProtocolHeader.Read("GET / HT"u8));
        Assert.Equal(ProtocolHeaderKind.Unknown, ProtocolHeader.Read("X"u8));
        for (int length = 0; length < ProtocolHeader.Size; length++)
        {
            Assert.Equal(ProtocolHeaderKind.NeedMore, ProtocolHeader.Read(ProtocolHeader.Bytes[..length]));
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(4088, 1)]
    [InlineData(4089, 2)]
    [InlineData(8176, 2)]
    [InlineData(8177, 3)]
    public void Bodies_are_split_by_frame_max(int length, int frames)
    {
        byte[] body = new byte[length];
        new Random(1).NextBytes(body);
        byte[] content = new byte[FrameWriter.ContentSize(2, length, 4096)];
        Assert.Equal(content.Length, FrameWriter.WriteContent(content, 1, 60, BasicProperties.Empty, body, 4096));
        using var scratch = new FrameScratch();
        var reader = new FrameReader(new ReadOnlySequence<byte>(content), 4096 - Frame.Overhead, scratch);
        Assert.True(reader.TryRead(out Frame header));
        Assert.Equal((ulong)length, ContentHeader.Read(header.Payload).BodySize);
        var joined = new List<byte>();
        int count = 0;
        while (reader.TryRead(out Frame part))
        {
            joined.AddRange(part.Payload);
            count++;
        }

        Assert.Equal(frames, count);
        Assert.Equal(body, joined);
    }

    private static void Read(byte[] bytes, int payloadMax)
    {
        using var scratch = new FrameScratch();
        var reader = new FrameReader(new ReadOnlySequence<byte>(bytes), payloadMax, scratch);
        reader.TryRead(out _);
    }

    private static byte[] Stream()
    {
        byte[] ack = new byte[FrameWriter.MethodFrameSize(new BasicAck())];
        FrameWriter.WriteMethod(ack, 7, new BasicAck { DeliveryTag = 9 });
        byte[] content = new byte[FrameWriter.ContentSize(2, 5, 4096)];
        FrameWriter.WriteContent(content, 7, 60, BasicProperties.Empty, "hello"u8, 4096);
        return [.. ack, .. FrameWriter.Heartbeat, .. content];
    }
}
