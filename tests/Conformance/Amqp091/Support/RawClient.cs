using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Sluice.Conformance.Amqp091;

/// <summary>A frame: type, channel and payload.</summary>
public sealed record RawFrame(byte Type, ushort Channel, byte[] Payload)
{
    public const byte Method = 1;
    public const byte Header = 2;
    public const byte Body = 3;
    public const byte Heartbeat = 8;

    /// <summary>The method id as class × 65,536 + method, for method frames.</summary>
    public uint MethodId => BinaryPrimitives.ReadUInt32BigEndian(Payload);

    /// <summary>A reader behind the method id.</summary>
    public RawReader Arguments => new(Payload, 4);
}

/// <summary>
/// AMQP 0-9-1 by hand: sends any bytes and reads frames, for what no well-behaved client library would ever send.
/// </summary>
public sealed class RawClient : IAsyncDisposable
{
    /// <summary>The protocol header: "AMQP" 0 0 9 1 (AMQP 0-9-1 section 4.2.2).</summary>
    public static readonly byte[] ProtocolHeader = [(byte)'A', (byte)'M', (byte)'Q', (byte)'P', 0, 0, 9, 1];

    private readonly TcpClient _tcp = new();
    private NetworkStream _stream = null!;

    /// <summary>The server's connection.start, once read.</summary>
    public RawStart? Start { get; private set; }

    /// <summary>The server's proposal of limits, once read.</summary>
    public RawTune? Tune { get; private set; }

    /// <summary>Connects the socket, nothing more.</summary>
    public static async Task<RawClient> ConnectAsync(Uri address)
    {
        var client = new RawClient();
        await client._tcp.ConnectAsync(address.Host, address.Port);
        client._tcp.NoDelay = true;
        client._stream = client._tcp.GetStream();
        return client;
    }

    /// <summary>Connects and goes through the whole handshake to connection.open-ok.</summary>
    public static async Task<RawClient> OpenAsync(Uri address, ushort? channelMax = null, uint? frameMax = null, ushort heartbeat = 0)
    {
        RawClient client = await ConnectAsync(address);
        await client.SendAsync(ProtocolHeader);
        await client.ReadStartAsync();
        await client.SendStartOkAsync();
        await client.ReadTuneAsync();
        await client.SendTuneOkAsync(channelMax ?? client.Tune!.ChannelMax, frameMax ?? client.Tune!.FrameMax, heartbeat);
        await client.SendOpenAsync("/");
        await client.ExpectAsync(0, Methods.ConnectionOpenOk);
        return client;
    }

    /// <summary>As <see cref="OpenAsync"/>, with channel 1 open.</summary>
    public static async Task<RawClient> OpenWithChannelAsync(Uri address, uint? frameMax = null)
    {
        RawClient client = await OpenAsync(address, frameMax: frameMax);
        await client.OpenChannelAsync(1);
        return client;
    }

    public async Task OpenChannelAsync(ushort channel)
    {
        await SendMethodAsync(channel, Methods.ChannelOpen, w => w.ShortString(""));
        await ExpectAsync(channel, Methods.ChannelOpenOk);
    }

    public async Task ReadStartAsync()
    {
        RawReader arguments = (await ExpectAsync(0, Methods.ConnectionStart)).Arguments;
        byte major = arguments.Octet();
        byte minor = arguments.Octet();
        Start = new RawStart(major, minor, arguments.Table(), arguments.LongString(), arguments.LongString());
    }

    public Task SendStartOkAsync(string mechanism = "PLAIN", string response = "\0guest\0guest", Action<RawWriter>? clientProperties = null) =>
        SendMethodAsync(0, Methods.ConnectionStartOk, w =>
        {
            w.Table(clientProperties ?? (t => t.Entry("capabilities", c => c.Entry("authentication_failure_close", true).Entry("basic.nack", true).Entry("consumer_cancel_notify", true))));
            w.ShortString(mechanism);
            w.LongString(response);
            w.ShortString("en_US");
        });

    public async Task ReadTuneAsync()
    {
        RawReader arguments = (await ExpectAsync(0, Methods.ConnectionTune)).Arguments;
        Tune = new RawTune(arguments.Short(), arguments.Long(), arguments.Short());
    }

    public Task SendTuneOkAsync(ushort channelMax, uint frameMax, ushort heartbeat) =>
        SendMethodAsync(0, Methods.ConnectionTuneOk, w => w.Short(channelMax).Long(frameMax).Short(heartbeat));

    public Task SendOpenAsync(string virtualHost) =>
        SendMethodAsync(0, Methods.ConnectionOpen, w => w.ShortString(virtualHost).ShortString("").Octet(0));

    /// <summary>Sends bytes as they are.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _stream.WriteAsync(bytes);

    /// <summary>Sends a whole frame.</summary>
    public Task SendFrameAsync(byte type, ushort channel, byte[] payload, byte end = 0xCE) => SendAsync(Frame(type, channel, payload, end));

    public Task SendMethodAsync(ushort channel, uint method, Action<RawWriter>? arguments = null) =>
        SendFrameAsync(RawFrame.Method, channel, MethodPayload(method, arguments));

    /// <summary>basic.publish with its content header (no properties) and one body frame.</summary>
    public async Task PublishAsync(ushort channel, string exchange, string routingKey, byte[] body, byte flags = 0)
    {
        await SendMethodAsync(channel, Methods.BasicPublish, w => w.Short(0).ShortString(exchange).ShortString(routingKey).Octet(flags));
        await SendContentAsync(channel, body);
    }

    public async Task SendContentAsync(ushort channel, byte[] body)
    {
        await SendFrameAsync(RawFrame.Header, channel, ContentHeader((ulong)body.Length));
        if (body.Length > 0)
        {
            await SendFrameAsync(RawFrame.Body, channel, body);
        }
    }

    /// <summary>A content header frame's payload for class basic (60), weight 0.</summary>
    public static byte[] ContentHeader(ulong bodySize, ushort classId = 60, ushort flags = 0, Action<RawWriter>? properties = null)
    {
        var writer = new RawWriter();
        writer.Short(classId).Short(0).LongLong(bodySize).Short(flags);
        properties?.Invoke(writer);
        return writer.ToArray();
    }

    public static byte[] MethodPayload(uint method, Action<RawWriter>? arguments = null)
    {
        var writer = new RawWriter();
        writer.Long(method);
        arguments?.Invoke(writer);
        return writer.ToArray();
    }

    public static byte[] Frame(byte type, ushort channel, byte[] payload, byte end = 0xCE)
    {
        byte[] frame = new byte[8 + payload.Length];
        frame[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), channel);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(3), payload.Length);
        payload.CopyTo(frame, 7);
        frame[^1] = end;
        return frame;
    }

    /// <summary>Reads the next frame; null when the server has closed the socket.</summary>
    public async Task<RawFrame?> ReadFrameAsync()
    {
        using var timeout = new CancellationTokenSource(ConformanceTest.Patience);
        byte[] head = new byte[7];
        try
        {
            int got = await _stream.ReadAtLeastAsync(head, 7, throwOnEndOfStream: false, timeout.Token);
            if (got == 0)
            {
                return null;
            }

            Assert.Equal(7, got);
            byte[] payload = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(3)) + 1];
            await _stream.ReadExactlyAsync(payload, timeout.Token);
            Assert.Equal(0xCE, payload[^1]);
            return new RawFrame(head[0], BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(1)), payload[..^1]);
        }
        catch (IOException)
        {
            return null;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"no frame within {ConformanceTest.Patience}");
        }
    }

    /// <summary>Reads bytes that are not a frame, until the server closes the socket.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        using var timeout = new CancellationTokenSource(ConformanceTest.Patience);
        using var all = new MemoryStream();
        try
        {
            await _stream.CopyToAsync(all, timeout.Token);
        }
        catch (IOException)
        {
            // A reset ends the stream too.
        }

        return all.ToArray();
    }

    /// <summary>Reads the next frame that is no heartbeat and asserts that it is that method.</summary>
    public async Task<RawFrame> ExpectAsync(ushort channel, uint method)
    {
        RawFrame? frame;
        do
        {
            frame = await ReadFrameAsync();
        }
        while (frame is { Type: RawFrame.Heartbeat });
        Assert.True(frame is not null, $"the socket was closed instead of sending {Methods.Text(method)}");
        Assert.Equal(RawFrame.Method, frame.Type);
        Assert.True(frame.MethodId == method, $"expected {Methods.Text(method)}, got {Methods.Describe(frame)}");
        Assert.Equal(channel, frame.Channel);
        return frame;
    }

    /// <summary>Asserts that the server closes the connection with that code; answers close-ok and waits for the socket's end.</summary>
    public async Task<RawClose> ExpectConnectionCloseAsync(ushort code)
    {
        RawClose close = ReadClose(await ExpectAsync(0, Methods.ConnectionClose));
        Assert.True(close.Code == code, $"expected close with {code}, got {close}");
        await SendMethodAsync(0, Methods.ConnectionCloseOk);
        RawFrame? after;
        do
        {
            after = await ReadFrameAsync();
        }
        while (after is { Type: RawFrame.Heartbeat });
        Assert.Null(after);
        return close;
    }

    /// <summary>
    /// Asserts that the server ends the connection: with one of those codes, or by closing the socket, where the original
    /// does not always get its close out (what it has not read resets the socket).
    /// </summary>
    public async Task ExpectConnectionEndAsync(params ushort[] codes)
    {
        while (await ReadFrameAsync() is { } frame)
        {
            if (frame.Type == RawFrame.Heartbeat)
            {
                continue;
            }

            Assert.True(frame is { Type: RawFrame.Method, MethodId: Methods.ConnectionClose }, $"expected the end, got {Methods.Describe(frame)}");
            RawClose close = ReadClose(frame);
            Assert.True(codes.Contains(close.Code), $"expected close with {string.Join(" or ", codes)}, got {close}");
            return;
        }
    }

    /// <summary>Asserts that the server closes the channel with that code, and answers close-ok.</summary>
    public async Task<RawClose> ExpectChannelCloseAsync(ushort channel, ushort code)
    {
        RawClose close = ReadClose(await ExpectAsync(channel, Methods.ChannelClose));
        Assert.True(close.Code == code, $"expected close with {code}, got {close}");
        await SendMethodAsync(channel, Methods.ChannelCloseOk);
        return close;
    }

    public ValueTask DisposeAsync()
    {
        _tcp.Dispose();
        return ValueTask.CompletedTask;
    }

    private static RawClose ReadClose(RawFrame frame)
    {
        RawReader arguments = frame.Arguments;
        return new RawClose(arguments.Short(), arguments.ShortString(), arguments.Short(), arguments.Short());
    }
}

/// <summary>connection.start's arguments.</summary>
public sealed record RawStart(byte Major, byte Minor, IReadOnlyDictionary<string, object?> Properties, string Mechanisms, string Locales);

/// <summary>connection.tune's arguments.</summary>
public sealed record RawTune(ushort ChannelMax, uint FrameMax, ushort Heartbeat);

/// <summary>The arguments of connection.close and channel.close.</summary>
public sealed record RawClose(ushort Code, string Text, ushort ClassId, ushort MethodId);
