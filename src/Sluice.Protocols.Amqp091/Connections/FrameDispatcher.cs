using System.Buffers;
using System.Buffers.Binary;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Handlers;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>A method that did not complete at once.</summary>
internal readonly record struct PendingMethod(ValueTask Task, uint MethodId, Amqp091Channel? Channel);

/// <summary>
/// Takes frames from the receive buffer and brings each to its handler. The common publish - method, header and one body frame, all there - is
/// handled straight from the buffer; others are put together by the channel's <see cref="ContentAssembly"/>.
/// </summary>
internal sealed class FrameDispatcher : IDisposable
{
    private readonly Amqp091Connection _connection;
    private readonly ConnectionHandler _handshake;
    private readonly FrameScratch _scratch = new();
    private uint _methodId;
    private Amqp091Channel? _channel;

    public FrameDispatcher(Amqp091Connection connection)
    {
        _connection = connection;
        _handshake = new ConnectionHandler(connection);
    }

    /// <summary>
    /// Handles what is whole in the buffer and moves its start over it. Returns true when a method has to be awaited before the rest is handled.
    /// </summary>
    public bool Handle(ref ReadOnlySequence<byte> buffer, out PendingMethod pending)
    {
        pending = default;
        if (_connection.State == ConnectionState.Connected && !ReadProtocolHeader(ref buffer))
        {
            return false;
        }

        bool mustWait = false;
        while (!mustWait && !_connection.IsFinished && !_connection.HasLostFraming && HandleSome(ref buffer, out pending, out mustWait))
        {
        }

        if (_connection.IsFinished || _connection.HasLostFraming)
        {
            buffer = buffer.Slice(buffer.End);
        }

        return mustWait;
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>Returns true if there may be more to handle in the buffer.</summary>
    private bool HandleSome(ref ReadOnlySequence<byte> buffer, out PendingMethod pending, out bool mustWait)
    {
        pending = default;
        mustWait = false;
        int frameMax = _connection.FrameMax;
        bool mayHaveMore = false;
        var reader = new FrameReader(buffer, frameMax - Frame.Overhead + Amqp091Limits.FrameSlack, _scratch);
        try
        {
            while (reader.TryRead(out Frame frame))
            {
                ValueTask task = HandleFrame(frame, ref reader);
                if (!task.IsCompletedSuccessfully)
                {
                    pending = new PendingMethod(task, _methodId, _channel);
                    mustWait = true;
                    break;
                }

                // Tuning changes what a frame may be.
                if (_connection.IsFinished || _connection.FrameMax != frameMax)
                {
                    mayHaveMore = true;
                    break;
                }
            }
        }
        catch (AmqpException error)
        {
            _connection.Fail(error, _methodId, _channel);
            mayHaveMore = true;
        }

        buffer = buffer.Slice(reader.Consumed);
        return mayHaveMore;
    }

    private bool ReadProtocolHeader(ref ReadOnlySequence<byte> buffer)
    {
        Span<byte> header = stackalloc byte[ProtocolHeader.Size];
        ReadOnlySequence<byte> start = buffer.Slice(0, Math.Min(buffer.Length, ProtocolHeader.Size));
        start.CopyTo(header);
        header = header[..(int)start.Length];
        switch (ProtocolHeader.Read(header))
        {
            case ProtocolHeaderKind.NeedMore:
                return false;
            case ProtocolHeaderKind.Supported:
                buffer = buffer.Slice(ProtocolHeader.Size);
                _handshake.Start();
                return true;
            case var kind:
                if (_connection.Client.Output.Enter())
                {
                    _connection.Client.Output.Append(ProtocolHeader.Bytes);
                    _connection.Client.Output.Exit();
                }

                StrangeClient.Refuse(_connection, kind, header);
                buffer = buffer.Slice(buffer.End);
                return false;
        }
    }

    private ValueTask HandleFrame(in Frame frame, ref FrameReader reader)
    {
        _methodId = 0;
        _channel = null;
        if (frame.Type is not (FrameType.Method or FrameType.Header or FrameType.Body or FrameType.Heartbeat))
        {
            throw new AmqpException(ReplyCode.FrameError, $"unknown frame type {(byte)frame.Type}");
        }

        if (frame.Channel == 0)
        {
            return HandleControl(frame);
        }

        if (_connection.State is not (ConnectionState.Running or ConnectionState.Blocked))
        {
            return _connection.State is ConnectionState.Closing or ConnectionState.Closed
                ? default
                : throw new AmqpException(ReplyCode.ChannelError, $"a frame on channel {frame.Channel} came before connection.open");
        }

        Amqp091Channel? channel = _connection.Channels.Find(frame.Channel);
        if (channel is null || channel.IsClosing)
        {
            HandleNotOpen(frame, channel);
            return default;
        }

        _channel = channel;
        if (frame.Type != FrameType.Method || !channel.ExpectsMethod)
        {
            HandleContent(channel, frame);
            return default;
        }

        uint method = ReadMethodId(frame.Payload);
        ReadOnlySpan<byte> arguments = frame.Payload[4..];
        if (method == MethodIds.BasicPublish)
        {
            HandlePublish(channel, arguments, ref reader);
            return default;
        }

        return ChannelMethods.Handle(channel, method, arguments);
    }

    private ValueTask HandleControl(in Frame frame)
    {
        switch (frame.Type)
        {
            case FrameType.Heartbeat when frame.Payload.IsEmpty:
                return default;
            case FrameType.Heartbeat:
                throw new AmqpException(ReplyCode.FrameError, "a heartbeat frame with a payload");
            case FrameType.Method:
                _connection.FlushTurn();
                uint method = ReadMethodId(frame.Payload);
                return _handshake.Handle(method, frame.Payload[4..]);
            default:
                throw Amqp091Errors.Unexpected("a content frame on channel 0");
        }
    }

    /// <summary>Frames of a channel that is not open: only channel.open may come, or what was under way when we closed it.</summary>
    private void HandleNotOpen(in Frame frame, Amqp091Channel? closing)
    {
        uint method = frame.Type == FrameType.Method ? ReadMethodId(frame.Payload) : 0;
        if (closing is not null)
        {
            if (method == MethodIds.ChannelCloseOk)
            {
                _connection.Channels.Forget(closing);
            }
            else if (method == MethodIds.ChannelClose)
            {
                _connection.Send(frame.Channel, new ChannelCloseOk());
            }

            return;
        }

        if (method == MethodIds.ChannelOpen)
        {
            ChannelOpen.Read(frame.Payload[4..]);
            _connection.FlushTurn();
            _connection.Channels.Open(frame.Channel);
            _connection.Send(frame.Channel, new ChannelOpenOk());
            return;
        }

        throw new AmqpException(ReplyCode.ChannelError, $"expected 'channel.open' on channel {frame.Channel}");
    }

    private void HandlePublish(Amqp091Channel channel, ReadOnlySpan<byte> arguments, ref FrameReader reader)
    {
        FrameReader ahead = reader;
        if (ahead.TryRead(out Frame header) && header.Type == FrameType.Header && header.Channel == channel.Number)
        {
            ContentHeader content = ReadContentHeader(channel, header.Payload);
            ReadOnlyMemory<byte> properties = header.Memory[FrameWriter.ContentHeaderFixedSize..];
            if (content.BodySize == 0)
            {
                reader = ahead;
                channel.Publisher.Publish(BasicPublish.Read(arguments), properties, default);
                return;
            }

            if (ahead.TryRead(out Frame body) && body.Type == FrameType.Body && body.Channel == channel.Number && (ulong)body.Payload.Length == content.BodySize)
            {
                reader = ahead;
                channel.Publisher.Publish(BasicPublish.Read(arguments), properties, body.Payload);
                return;
            }
        }

        channel.Content.Begin(arguments);
    }

    private void HandleContent(Amqp091Channel channel, in Frame frame)
    {
        bool isComplete;
        switch (channel.ExpectsMethod ? ContentState.Method : channel.Content.State)
        {
            case ContentState.Method:
                throw Amqp091Errors.Unexpected("expected method frame, got non method frame instead");
            case ContentState.Header when frame.Type == FrameType.Header:
                isComplete = channel.Content.SetHeader(ReadContentHeader(channel, frame.Payload));
                break;
            case ContentState.Header:
                throw Amqp091Errors.Unexpected("expected content header for class 60, got non content header frame instead");
            case ContentState.Body when frame.Type == FrameType.Body:
                isComplete = channel.Content.Append(frame.Payload);
                break;
            default:
                throw Amqp091Errors.Unexpected("expected content body, got non content body frame instead");
        }

        _methodId = MethodIds.BasicPublish;
        if (!isComplete)
        {
            return;
        }

        try
        {
            channel.Publisher.Publish(BasicPublish.Read(channel.Content.Method), channel.Content.Properties, channel.Content.Body);
        }
        finally
        {
            channel.Content.Reset();
        }
    }

    private static ContentHeader ReadContentHeader(Amqp091Channel channel, ReadOnlySpan<byte> payload)
    {
        ContentHeader header = ContentHeader.Read(payload);
        if (header.ClassId != MethodIds.BasicPublish >> 16)
        {
            throw Amqp091Errors.Unexpected($"expected content header for class 60, got one for class {header.ClassId} instead");
        }

        int max = channel.Connection.Server.Broker.Options.MessageBytesMax;
        return header.BodySize <= (ulong)max ? header : throw channel.Publisher.TooLarge(header.BodySize);
    }

    private uint ReadMethodId(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 4)
        {
            throw new AmqpException(ReplyCode.FrameError, $"a method frame of {payload.Length} octets");
        }

        return _methodId = BinaryPrimitives.ReadUInt32BigEndian(payload);
    }
}
