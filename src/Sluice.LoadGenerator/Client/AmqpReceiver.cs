using System.Buffers.Binary;

namespace Sluice.LoadGenerator.Client;

/// <summary>Receives single messages of one queue: for tools, where ease counts for more than speed.</summary>
public sealed class AmqpReceiver
{
    private readonly AmqpClient _client;
    private readonly ContentAssembly _content = new();

    /// <param name="client">Used by nothing else meanwhile.</param>
    /// <param name="queue">Queue to consume.</param>
    /// <param name="autoAcknowledge">No acknowledgements.</param>
    /// <param name="prefetch">Most unacknowledged deliveries.</param>
    /// <param name="arguments">Of the consumer, such as x-stream-offset.</param>
    public AmqpReceiver(AmqpClient client, string queue, bool autoAcknowledge, ushort prefetch, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        _client = client;
        client.SetPrefetch(prefetch);
        client.StartConsumer(queue, autoAcknowledge, arguments);
    }

    /// <summary>The next message; null when none came in time or the wait was cancelled.</summary>
    public AmqpMessage? Receive(TimeSpan timeout, CancellationToken cancel)
    {
        long deadline = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (!cancel.IsCancellationRequested)
        {
            while (_client.TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
            {
                if (Take(type, payload) is { } message)
                {
                    return message;
                }
            }

            if (!_client.Fill() && Environment.TickCount64 > deadline)
            {
                return null;
            }
        }

        return null;
    }

    public void Acknowledge(ulong deliveryTag)
    {
        AmqpTopology.WriteAcknowledge(_client.Writer, deliveryTag, multiple: false);
        _client.Send();
    }

    private AmqpMessage? Take(byte type, ReadOnlySpan<byte> payload)
    {
        if (type != AmqpFrames.Method)
        {
            return _content.Take(type, payload);
        }

        uint method = BinaryPrimitives.ReadUInt32BigEndian(payload);
        if (ContentAssembly.Begins(method))
        {
            _content.Begin(method, payload);
        }
        else
        {
            _client.HandleUnasked(method, payload[4..]);
        }

        return null;
    }
}
