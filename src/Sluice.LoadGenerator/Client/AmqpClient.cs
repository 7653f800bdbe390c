using System.Buffers.Binary;
using System.Net.Sockets;

namespace Sluice.LoadGenerator.Client;

/// <summary>
/// A blocking AMQP 0-9-1 connection with one open channel (1). Small on purpose: it encodes into one buffer, reads frames out of one buffer, and leaves
/// the loops to its users. One thread at a time.
/// </summary>
public sealed class AmqpClient : IDisposable
{
    /// <summary>The channel everything happens on.</summary>
    public const ushort Channel = 1;

    /// <summary>Longest single wait in <see cref="Fill"/>, so that loops can look at their stop flags, in ms.</summary>
    public const int TickMs = 100;

    private readonly AmqpClientOptions _options;
    private readonly Socket _socket;
    private readonly FrameWriter _writer = new();
    private byte[] _input;
    private int _start;
    private int _end;
    private bool _closed;

    private AmqpClient(AmqpClientOptions options, Socket socket)
    {
        _options = options;
        _socket = socket;
        _input = new byte[options.ReceiveBufferBytes];
    }

    /// <summary>What the server said about itself in connection.start.</summary>
    public IReadOnlyDictionary<string, object?> ServerProperties { get; private set; } = new Dictionary<string, object?>();

    /// <summary>Largest frame negotiated, in octets.</summary>
    public int FrameBytesMax { get; private set; } = AmqpFrames.BytesMax;

    /// <summary>Times the server announced that it holds publishers back.</summary>
    public int BlockedCount { get; private set; }

    /// <summary>Octets received and not consumed.</summary>
    public ReadOnlySpan<byte> Buffered => _input.AsSpan(_start, _end - _start);

    /// <summary>An encoder for this connection's own frames; cleared by <see cref="Send()"/>.</summary>
    public FrameWriter Writer => _writer;

    /// <summary>Connects, logs in, opens the virtual host and channel 1.</summary>
    /// <exception cref="AmqpUnreachableException">Nothing listens or answers there.</exception>
    /// <exception cref="AmqpClosedException">The server refused: wrong password, no such virtual host…</exception>
    public static AmqpClient Connect(AmqpClientOptions options)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (options.SocketBufferBytes > 0)
            {
                socket.SendBufferSize = options.SocketBufferBytes;
                socket.ReceiveBufferSize = options.SocketBufferBytes;
            }

            socket.SendTimeout = options.TimeoutMs;
            socket.ReceiveTimeout = TickMs;
            socket.Connect(options.Host, options.Port);
            AmqpClient client = new(options, socket);
            client.Handshake();
            return client;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new AmqpUnreachableException($"No AMQP broker answers at {options.Host}:{options.Port} ({error.SocketErrorCode}). Is it running, and is that its port?", error);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends what <see cref="Writer"/> holds and clears it.</summary>
    public void Send()
    {
        Send(_writer.Written);
        _writer.Clear();
    }

    /// <summary>Sends encoded frames; blocks while the server does not take them.</summary>
    public void Send(ReadOnlySpan<byte> frames)
    {
        try
        {
            while (!frames.IsEmpty)
            {
                frames = frames[_socket.Send(frames)..];
            }
        }
        catch (SocketException error)
        {
            ThrowFarewell();
            throw new AmqpUnreachableException(
                error.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock
                    ? $"The server took no data for {_options.TimeoutMs} ms."
                    : $"The connection broke while sending ({error.SocketErrorCode}).",
                error);
        }
    }

    /// <summary>Waits until something can be read.</summary>
    /// <param name="microseconds">Longest wait; counted in whole milliseconds.</param>
    public bool Poll(int microseconds) => _socket.Poll(microseconds, SelectMode.SelectRead);

    /// <summary>Receives more into the buffer; false when nothing came for <see cref="TickMs"/>.</summary>
    public bool Fill()
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_input.Length - _end < _input.Length / 2)
        {
            Buffer.BlockCopy(_input, _start, _input, 0, _end - _start);
            _end -= _start;
            _start = 0;
            if (_end == _input.Length)
            {
                Array.Resize(ref _input, _input.Length * 2);
            }
        }

        int received = _socket.Receive(_input.AsSpan(_end), SocketFlags.None, out SocketError error);
        if (received > 0)
        {
            _end += received;
            return true;
        }

        return error switch
        {
            SocketError.TimedOut or SocketError.WouldBlock or SocketError.Interrupted => false,
            SocketError.Success => throw new AmqpUnreachableException("The server closed the connection without a word."),
            _ => throw new AmqpUnreachableException($"The connection broke while receiving ({error})."),
        };
    }

    /// <summary>Drops octets from the front of <see cref="Buffered"/>.</summary>
    public void Consume(int bytes) => _start += bytes;

    /// <summary>Takes the next whole frame out of the buffer; false when more must be received. The payload is borrowed until the next <see cref="Fill"/>.</summary>
    public bool TryReadFrame(out byte type, out ushort channel, out ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> buffered = Buffered;
        if (buffered.Length >= AmqpFrames.HeadBytes)
        {
            int size = BinaryPrimitives.ReadInt32BigEndian(buffered[3..]);
            if (size < 0 || size > AmqpFrames.BytesMax)
            {
                throw new AmqpProtocolException($"The server sent a frame of {(uint)size} bytes; at most {AmqpFrames.BytesMax} were agreed.");
            }

            if (buffered.Length >= size + AmqpFrames.OverheadBytes)
            {
                if (buffered[size + AmqpFrames.HeadBytes] != AmqpFrames.End)
                {
                    throw new AmqpProtocolException("The server sent a frame without its end octet.");
                }

                type = buffered[0];
                channel = BinaryPrimitives.ReadUInt16BigEndian(buffered[1..]);
                payload = buffered.Slice(AmqpFrames.HeadBytes, size);
                _start += size + AmqpFrames.OverheadBytes;
                return true;
            }
        }

        type = 0;
        channel = 0;
        payload = default;
        return false;
    }

    /// <summary>Sends what <see cref="Writer"/> holds and waits for the answer; other frames that arrive meanwhile are handled.</summary>
    /// <returns>The answer's fields, borrowed until the next receive.</returns>
    public FieldReader Call(uint answer)
    {
        Send();
        return Expect(answer);
    }

    /// <summary>Waits for one method.</summary>
    public FieldReader Expect(uint method)
    {
        long deadline = Environment.TickCount64 + _options.TimeoutMs;
        while (true)
        {
            while (TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
            {
                if (type != AmqpFrames.Method)
                {
                    continue;
                }

                uint got = BinaryPrimitives.ReadUInt32BigEndian(payload);
                if (got == method)
                {
                    return new FieldReader(payload[4..]);
                }

                HandleUnasked(got, payload[4..]);
            }

            FillBefore(deadline, $"method {method >> 16}.{method & 0xFFFF}");
        }
    }

    private void FillBefore(long deadline, string awaited)
    {
        if (!Fill() && Environment.TickCount64 > deadline)
        {
            throw new AmqpUnreachableException($"The server did not answer within {_options.TimeoutMs} ms (waited for {awaited}).");
        }
    }

    /// <summary>Handles what the server may send at any time; throws when it ends the channel, connection or consumer.</summary>
    /// <param name="method">Class and method.</param>
    /// <param name="fields">Its fields.</param>
    public void HandleUnasked(uint method, ReadOnlySpan<byte> fields)
    {
        FieldReader reader = new(fields);
        switch (method)
        {
            case AmqpMethods.ConnectionClose:
                _closed = true;
                ushort code = reader.Short();
                string text = reader.ShortString();
                TrySendMethod(0, AmqpMethods.ConnectionCloseOk);
                throw new AmqpClosedException("closed the connection", code, text);
            case AmqpMethods.ChannelClose:
                code = reader.Short();
                text = reader.ShortString();
                TrySendMethod(Channel, AmqpMethods.ChannelCloseOk);
                throw new AmqpClosedException("closed the channel", code, text);
            case AmqpMethods.BasicCancel:
                throw new AmqpClosedException("cancelled the consumer", 0, $"{reader.ShortString()} (its queue was deleted or moved)");
            case AmqpMethods.ConnectionBlocked:
                BlockedCount++;
                break;
            case AmqpMethods.ConnectionUnblocked:
            case AmqpMethods.BasicReturn:
            case AmqpMethods.BasicAck:
            case AmqpMethods.BasicNack:
            case AmqpMethods.BasicDeliver:
                break;
            default:
                throw new AmqpProtocolException($"The server sent method {method >> 16}.{method & 0xFFFF}, which nobody asked for.");
        }
    }

    /// <summary>Opens channel 1 again after the server closed it.</summary>
    public void ReopenChannel()
    {
        _writer.BeginMethod(Channel, AmqpMethods.ChannelOpen).ShortString("").EndFrame();
        Call(AmqpMethods.ChannelOpenOk);
    }

    /// <summary>Closes politely if the connection still works.</summary>
    public void Dispose()
    {
        if (!_closed)
        {
            _closed = true;
            try
            {
                _writer.Clear();
                _writer.BeginMethod(0, AmqpMethods.ConnectionClose).Short(200).ShortString("bye").Short(0).Short(0).EndFrame();
                Call(AmqpMethods.ConnectionCloseOk);
            }
            catch (Exception error) when (error is AmqpUnreachableException or AmqpProtocolException or AmqpClosedException or ObjectDisposedException)
            {
                // The peer has gone or is not listening any more: nothing is left to say goodbye to.
            }
        }

        _socket.Dispose();
    }

    /// <summary>Drops the connection without a goodbye; safe from another thread, whose calls then fail.</summary>
    public void Abort()
    {
        _closed = true;
        _socket.Dispose();
    }

    private void Handshake()
    {
        Send("AMQP\0\0\u0009\u0001"u8);
        FieldReader start = ExpectStart();
        start.Octet();
        start.Octet();
        ServerProperties = start.Table();
        Dictionary<string, object?> capabilities = new()
        {
            ["publisher_confirms"] = true,
            ["basic.nack"] = true,
            ["consumer_cancel_notify"] = true,
            ["connection.blocked"] = true,
            ["authentication_failure_close"] = true,
        };
        Dictionary<string, object?> properties = new()
        {
            ["product"] = "sluice load generator",
            ["connection_name"] = _options.ConnectionName,
            ["capabilities"] = capabilities,
        };
        _writer.BeginMethod(0, AmqpMethods.ConnectionStartOk)
            .Table(properties)
            .ShortString("PLAIN")
            .LongString($"\0{_options.User}\0{_options.Password}")
            .ShortString("en_US")
            .EndFrame();
        FieldReader tune = Call(AmqpMethods.ConnectionTune);
        ushort channelMax = tune.Short();
        uint frameMax = tune.Long();
        FrameBytesMax = frameMax == 0 ? AmqpFrames.BytesMax : (int)Math.Min(frameMax, AmqpFrames.BytesMax);
        _writer.BeginMethod(0, AmqpMethods.ConnectionTuneOk).Short(channelMax).Long((uint)FrameBytesMax).Short(0).EndFrame();
        _writer.BeginMethod(0, AmqpMethods.ConnectionOpen).ShortString(_options.VirtualHost).ShortString("").Octet(0).EndFrame();
        Call(AmqpMethods.ConnectionOpenOk);
        ReopenChannel();
    }

    private FieldReader ExpectStart()
    {
        long deadline = Environment.TickCount64 + _options.TimeoutMs;
        while (Buffered.Length < 8)
        {
            FillBefore(deadline, "a greeting");
        }

        if (Buffered[..4].SequenceEqual("AMQP"u8))
        {
            throw new AmqpProtocolException("The server speaks another version of AMQP than 0-9-1.");
        }

        return Expect(AmqpMethods.ConnectionStart);
    }

    /// <summary>After a failed send: if the server had said why it closes, throw that instead.</summary>
    private void ThrowFarewell()
    {
        try
        {
            while (Fill())
            {
                while (TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
                {
                    if (type == AmqpFrames.Method && BinaryPrimitives.ReadUInt32BigEndian(payload) is var method
                        && method is AmqpMethods.ConnectionClose or AmqpMethods.ChannelClose)
                    {
                        HandleUnasked(method, payload[4..]);
                    }
                }
            }
        }
        catch (Exception error) when (error is AmqpUnreachableException or AmqpProtocolException or ObjectDisposedException)
        {
            // It said nothing; the caller reports the broken connection.
        }
    }

    private void TrySendMethod(ushort channel, uint method)
    {
        FrameWriter writer = new();
        writer.BeginMethod(channel, method).EndFrame();
        try
        {
            _socket.Send(writer.Written);
        }
        catch (SocketException)
        {
            // The server has gone already; its reason is what the caller throws.
        }
    }
}
