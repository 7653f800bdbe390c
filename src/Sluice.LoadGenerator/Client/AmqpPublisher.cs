using System.Buffers.Binary;
using Sluice.LoadGenerator.Workers;

namespace Sluice.LoadGenerator.Client;

/// <summary>Publishes single messages with confirms: for tools, where ease counts for more than speed.</summary>
public sealed class AmqpPublisher
{
    private const int Window = 500;
    private const int SendBytes = 32 * 1024;

    private readonly AmqpClient _client;
    private readonly ConfirmWindow _confirms = new(Window);
    private readonly ContentAssembly _returned = new();

    public AmqpPublisher(AmqpClient client)
    {
        _client = client;
        client.SelectConfirms();
    }

    /// <summary>Called for each message that was mandatory and came back.</summary>
    public Action<AmqpMessage>? Returned { get; init; }

    public long Confirmed => _confirms.Confirmed;

    /// <summary>Messages the server refused to keep.</summary>
    public long Nacked => _confirms.Nacked;

    /// <summary>Publishes; waits for older confirms when too many are outstanding.</summary>
    public void Publish(string exchange, string routingKey, AmqpProperties properties, ReadOnlySpan<byte> body, bool mandatory)
    {
        while (_confirms.Room == 0)
        {
            _client.Send();
            Listen();
        }

        FrameWriter writer = _client.Writer;
        writer.BeginMethod(AmqpClient.Channel, AmqpMethods.BasicPublish).Short(0).ShortString(exchange).ShortString(routingKey).Octet(mandatory ? (byte)1 : (byte)0).EndFrame();
        writer.BeginFrame(AmqpFrames.Header, AmqpClient.Channel).Short(60).Short(0).LongLong((ulong)body.Length);
        properties.Write(writer);
        writer.EndFrame();
        int most = _client.FrameBytesMax - AmqpFrames.OverheadBytes;
        for (; !body.IsEmpty; body = body[Math.Min(most, body.Length)..])
        {
            writer.BeginFrame(AmqpFrames.Body, AmqpClient.Channel).Raw(body[..Math.Min(most, body.Length)]).EndFrame();
        }

        _confirms.Published(1, LoadRun.Now);
        if (writer.Count >= SendBytes)
        {
            _client.Send();
        }
    }

    /// <summary>Sends what is left and waits until the server has settled all of it.</summary>
    /// <exception cref="AmqpUnreachableException">It did not within the time.</exception>
    public void Flush(TimeSpan timeout)
    {
        _client.Send();
        long deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (_confirms.Outstanding > 0)
        {
            if (!Listen() && Environment.TickCount64 > deadline)
            {
                throw new AmqpUnreachableException($"{_confirms.Outstanding} messages were not confirmed within {timeout.TotalSeconds:0} s. Are publishers held back? See the broker's status.");
            }
        }
    }

    /// <summary>Sends what was gathered, and takes what the server has said meanwhile. Waits for nothing.</summary>
    /// <exception cref="AmqpUnreachableException">The server has gone.</exception>
    public void Pump()
    {
        _client.Send();
        while (_client.Poll(0))
        {
            Listen();
        }
    }

    private bool Listen()
    {
        bool received = _client.Fill();
        while (_client.TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
        {
            if (type != AmqpFrames.Method)
            {
                if (_returned.Take(type, payload) is { } message)
                {
                    Returned?.Invoke(message);
                }

                continue;
            }

            uint method = BinaryPrimitives.ReadUInt32BigEndian(payload);
            if (method is AmqpMethods.BasicAck or AmqpMethods.BasicNack)
            {
                FieldReader fields = new(payload[4..]);
                _confirms.Settle((long)fields.LongLong(), (fields.Octet() & 1) != 0, method == AmqpMethods.BasicAck, LoadRun.Now, measureSince: 0);
            }
            else if (ContentAssembly.Begins(method))
            {
                _returned.Begin(method, payload);
            }
            else
            {
                _client.HandleUnasked(method, payload[4..]);
            }
        }

        return received;
    }
}
