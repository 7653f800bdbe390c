using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests;

/// <summary>A client that says exactly what the test wants, also what no client should.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _received = new byte[64 << 10];
    private int _start;
    private int _end;

    /// <summary>For tests that measure and must not allocate.</summary>
    public Socket Socket => _socket;

    private RawClient()
    {
    }

    public static async Task<RawClient> ConnectAsync(TestServer server)
    {
        var client = new RawClient();
        await client._socket.ConnectAsync(server.EndPoint, TestContext.Current.CancellationToken);
        return client;
    }

    /// <summary>Connects and opens virtual host "/" with channel 1.</summary>
    public static async Task<RawClient> OpenAsync(TestServer server, uint frameMax = 131072, ushort heartbeat = 0, ushort channelMax = 2047, Action<TableBuilder>? capabilities = null)
    {
        RawClient client = await LoginAsync(server, capabilities);
        await client.ExpectAsync(MethodIds.ConnectionTune);
        await client.SendAsync(0, new ConnectionTuneOk { ChannelMax = channelMax, FrameMax = frameMax, Heartbeat = heartbeat });
        await client.SendAsync(0, new ConnectionOpen { VirtualHost = "/"u8 });
        await client.ExpectAsync(MethodIds.ConnectionOpenOk);
        await client.OpenChannelAsync(1);
        return client;
    }

    public static async Task<RawClient> LoginAsync(TestServer server, Action<TableBuilder>? capabilities = null, string password = "guest")
    {
        RawClient client = await ConnectAsync(server);
        await client.SendBytesAsync(ProtocolHeader.Bytes.ToArray());
        await client.ExpectAsync(MethodIds.ConnectionStart);
        var properties = new TableBuilder();
        properties.BeginTable("capabilities"u8);
        capabilities?.Invoke(properties);
        properties.End();
        await client.SendAsync(0, new ConnectionStartOk { ClientProperties = properties.Entries, Mechanism = "PLAIN"u8, Response = Encoding.UTF8.GetBytes("\0guest\0" + password), Locale = "en_US"u8 });
        return client;
    }

    public async Task OpenChannelAsync(ushort channel)
    {
        await SendAsync(channel, new ChannelOpen());
        await ExpectAsync(MethodIds.ChannelOpenOk, channel);
    }

    public static byte[] Method<T>(ushort channel, in T method)
        where T : IMethod, allows ref struct
    {
        byte[] bytes = new byte[FrameWriter.MethodFrameSize(method)];
        FrameWriter.WriteMethod(bytes, channel, method);
        return bytes;
    }

    public static byte[] Frame(byte type, ushort channel, params byte[] payload)
    {
        byte[] bytes = new byte[payload.Length + Amqp091.Wire.Frame.Overhead];
        FrameWriter.WriteHead(bytes, (FrameType)type, channel, payload.Length);
        payload.CopyTo(bytes, Amqp091.Wire.Frame.HeaderSize);
        bytes[^1] = Amqp091.Wire.Frame.End;
        return bytes;
    }

    /// <summary>A whole publish: method, header, body frames.</summary>
    public static byte[] Publish(ushort channel, string exchange, string routingKey, byte[] body, byte[]? properties = null, bool mandatory = false, int frameMax = 131072)
    {
        byte[] method = Method(channel, new BasicPublish { Exchange = Encoding.UTF8.GetBytes(exchange), RoutingKey = Encoding.UTF8.GetBytes(routingKey), Mandatory = mandatory });
        properties ??= [0, 0];
        byte[] content = new byte[FrameWriter.ContentSize(properties.Length, body.Length, frameMax)];
        FrameWriter.WriteContent(content, channel, 60, properties, body, frameMax);
        return [.. method, .. content];
    }

    public Task SendAsync<T>(ushort channel, in T method)
        where T : IMethod, allows ref struct => SendBytesAsync(Method(channel, method));

    public async Task SendBytesAsync(byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
        {
            sent += await _socket.SendAsync(bytes.AsMemory(sent), SocketFlags.None, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>The next frame that is not a heartbeat; null at the end of the connection.</summary>
    public async Task<RawFrame?> ReadFrameAsync(bool skipHeartbeats = true)
    {
        while (true)
        {
            if (TakeFrame() is { } frame)
            {
                if (frame.Type != FrameType.Heartbeat || !skipHeartbeats)
                {
                    return frame;
                }

                continue;
            }

            if (!await ReceiveAsync())
            {
                return null;
            }
        }
    }

    /// <summary>All bytes until the connection ends.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        while (await ReceiveAsync())
        {
        }

        return _received[_start.._end];
    }

    /// <summary>The next frame, which must be this method; its arguments.</summary>
    public async Task<byte[]> ExpectAsync(uint method, ushort channel = 0)
    {
        RawFrame frame = await ReadFrameAsync() ?? throw new EndOfStreamException($"the connection ended instead of method {method >> 16}.{method & 0xFFFF}");
        Assert.Equal((FrameType.Method, channel, $"{method >> 16}.{method & 0xFFFF}"), (frame.Type, frame.Channel, $"{frame.MethodId >> 16}.{frame.MethodId & 0xFFFF}"));
        return frame.Payload[4..];
    }

    /// <summary>connection.close with this code; answers it and expects the end.</summary>
    public async Task<string> ExpectConnectionCloseAsync(ReplyCode code)
    {
        (ushort actual, string text) = ReadClose(await ExpectAsync(MethodIds.ConnectionClose));
        Assert.Equal((ushort)code, actual);
        await SendAsync(0, new ConnectionCloseOk());
        Assert.Null(await ReadFrameAsync());
        return text;
    }

    /// <summary>channel.close with this code on channel 1; answers it.</summary>
    public async Task<string> ExpectChannelCloseAsync(ReplyCode code, ushort channel = 1)
    {
        (ushort actual, string text) = ReadClose(await ExpectAsync(MethodIds.ChannelClose, channel));
        Assert.Equal((ushort)code, actual);
        await SendAsync(channel, new ChannelCloseOk());
        return text;
    }

    /// <summary>A queue's name and counts are right: the connection works.</summary>
    public async Task AssertWorksAsync(ushort channel = 1)
    {
        await SendAsync(channel, new BasicQos { PrefetchCount = 1 });
        await ExpectAsync(MethodIds.BasicQosOk, channel);
    }

    public async Task DeclareAsync(string queue, ushort channel = 1)
    {
        await SendAsync(channel, new QueueDeclare { Queue = Encoding.UTF8.GetBytes(queue) });
        await ExpectAsync(MethodIds.QueueDeclareOk, channel);
    }

    public void Dispose() => _socket.Dispose();

    private static (ushort Code, string Text) ReadClose(byte[] arguments)
    {
        ConnectionClose close = ConnectionClose.Read(arguments);
        return (close.ReplyCode, Encoding.UTF8.GetString(close.ReplyText));
    }

    private RawFrame? TakeFrame()
    {
        Span<byte> received = _received.AsSpan(_start.._end);
        if (received.Length < Amqp091.Wire.Frame.HeaderSize)
        {
            return null;
        }

        int size = (int)BinaryPrimitives.ReadUInt32BigEndian(received[3..]);
        if (received.Length < size + Amqp091.Wire.Frame.Overhead)
        {
            return null;
        }

        Assert.Equal(Amqp091.Wire.Frame.End, received[Amqp091.Wire.Frame.HeaderSize + size]);
        _start += size + Amqp091.Wire.Frame.Overhead;
        return new RawFrame((FrameType)received[0], BinaryPrimitives.ReadUInt16BigEndian(received[1..]), received.Slice(Amqp091.Wire.Frame.HeaderSize, size).ToArray());
    }

    private async Task<bool> ReceiveAsync()
    {
        MakeRoom();
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(Eventually.Limit);
        try
        {
            int count = await _socket.ReceiveAsync(_received.AsMemory(_end), SocketFlags.None, timeout.Token);
            _end += count;
            return count > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>What is not taken yet moves to the front, in a larger array when it fills this one.</summary>
    private void MakeRoom()
    {
        byte[] target = _end - _start > _received.Length / 2 ? new byte[_received.Length * 2] : _received;
        _received.AsSpan(_start.._end).CopyTo(target);
        _end -= _start;
        _start = 0;
        _received = target;
    }
}

internal sealed record RawFrame(FrameType Type, ushort Channel, byte[] Payload)
{
    public uint MethodId => Type == FrameType.Method ? BinaryPrimitives.ReadUInt32BigEndian(Payload) : 0;
}
