using System.Buffers.Binary;
using System.Net.Sockets;
using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A Kafka client that does nothing by itself: it sends any request in any version, or any bytes, and reads answers in the order in which they come.</summary>
public sealed class RawClient : IAsyncDisposable
{
    /// <summary>How long a wait for something that must happen lasts before the test fails.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly BufferPool Buffers = new();

    private readonly TcpClient _tcp;
    private readonly NetworkStream _stream;
    private int _correlationId;

    private RawClient(TcpClient tcp)
    {
        _tcp = tcp;
        _stream = tcp.GetStream();
    }

    /// <summary>The name that it gives itself.</summary>
    public string ClientId { get; set; } = "conformance";

    public static async Task<RawClient> ConnectAsync(string host, int port)
    {
        var tcp = new TcpClient { NoDelay = true };
        await tcp.ConnectAsync(host, port);
        return new RawClient(tcp);
    }

    /// <summary>Sends a request and reads its answer, which must be the next.</summary>
    public async Task<TResponse> AskAsync<TResponse>(IKafkaMessage request, int version)
        where TResponse : IKafkaMessage, new()
    {
        int id = await SendAsync(request, version);
        return await ReceiveAsync<TResponse>(version, id);
    }

    /// <summary>Sends a request; returns its correlation id.</summary>
    public async Task<int> SendAsync(IKafkaMessage request, int version)
    {
        int id = ++_correlationId;
        await SendBytesAsync(Frame(request, version, id, ClientId));
        return id;
    }

    public async Task SendBytesAsync(ReadOnlyMemory<byte> bytes) => await _stream.WriteAsync(bytes).AsTask().WaitAsync(Patience);

    /// <summary>Reads the next answer, which must be that to the request with the id.</summary>
    public async Task<TResponse> ReceiveAsync<TResponse>(int version, int correlationId)
        where TResponse : IKafkaMessage, new()
    {
        byte[] frame = await ReceiveFrameAsync() ?? throw new EndOfStreamException($"the broker closed the connection instead of answering with {typeof(TResponse).Name}");
        return Read<TResponse>(frame, version, correlationId);
    }

    /// <summary>The next answer without its size; null when the broker has closed the connection.</summary>
    public async Task<byte[]?> ReceiveFrameAsync()
    {
        byte[] size = new byte[4];
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            if (await _stream.ReadAtLeastAsync(size, size.Length, throwOnEndOfStream: false, patience.Token) < size.Length)
            {
                return null;
            }

            byte[] frame = new byte[BinaryPrimitives.ReadInt32BigEndian(size)];
            await _stream.ReadExactlyAsync(frame, patience.Token);
            return frame;
        }
        catch (IOException error) when (error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
        {
            return null;
        }
    }

    /// <summary>The broker must close the connection without another answer.</summary>
    public async Task IsClosedAsync() => Assert.Null(await ReceiveFrameAsync());

    /// <summary>Whether an answer has begun to arrive.</summary>
    public bool HasAnswer => _tcp.Available > 0;

    /// <summary>No more requests will come.</summary>
    public void EndSending() => _tcp.Client.Shutdown(SocketShutdown.Send);

    /// <summary>A whole request with size and header.</summary>
    public static byte[] Frame(IKafkaMessage request, int version, int correlationId, string? clientId = "conformance")
    {
        using var writer = new KafkaWriter(Buffers);
        writer.BeginFrame();
        new KafkaRequestHeader((short)Api(request.GetType()).Key, (short)version, correlationId, clientId).Write(writer);
        request.Write(writer, (short)version);
        writer.EndFrame();
        return writer.ToArray();
    }

    /// <summary>A frame of any content: its size goes before it.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> content)
    {
        byte[] frame = new byte[4 + content.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, content.Length);
        content.CopyTo(frame.AsSpan(4));
        return frame;
    }

    public static TResponse Read<TResponse>(byte[] frame, int version, int correlationId)
        where TResponse : IKafkaMessage, new()
    {
        var reader = new KafkaReader(frame);
        KafkaResponseHeader header = KafkaResponseHeader.Read(ref reader, Api(typeof(TResponse)).ResponseHeaderVersion((short)version));
        Assert.Equal(correlationId, header.CorrelationId);
        var response = new TResponse();
        response.Read(ref reader, (short)version);
        reader.End();
        return response;
    }

    public ValueTask DisposeAsync()
    {
        _tcp.Dispose();
        return ValueTask.CompletedTask;
    }

    private static KafkaApi Api(Type message) => KafkaApis.Get(Enum.Parse<KafkaApiKey>(message.Name.Replace("Request", "", StringComparison.Ordinal).Replace("Response", "", StringComparison.Ordinal)));
}
