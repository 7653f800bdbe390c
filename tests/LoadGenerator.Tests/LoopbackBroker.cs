using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Tests;

/// <summary>
/// As much of an AMQP server as the load generator needs: one queue, one consumer, everything published is delivered and confirmed. It can misbehave to order.
/// </summary>
internal sealed class LoopbackBroker : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<Socket> _sockets = [];
    private readonly Lock _lock = new();
    private readonly List<byte[]> _waiting = [];
    private Stream? _consumer;
    private ulong _deliveryTag;

    public LoopbackBroker()
    {
        _listener.Start();
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Closes the publisher's channel at this message; 0: never.</summary>
    public int CloseChannelAt { get; init; }

    /// <summary>Loses this message; 0: none.</summary>
    public int Lose { get; init; }

    /// <summary>Delivers this message twice; 0: none.</summary>
    public int Double { get; init; }

    /// <summary>Refuses this message with basic.nack; 0: none.</summary>
    public int Nack { get; init; }

    /// <summary>Highest delivery tag acknowledged.</summary>
    public ulong Acknowledged { get; private set; }

    public void Dispose()
    {
        _listener.Stop();
        lock (_lock)
        {
            _sockets.ForEach(socket => socket.Dispose());
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket socket = _listener.AcceptSocket();
                lock (_lock)
                {
                    _sockets.Add(socket);
                }

                new Thread(() => Serve(new NetworkStream(socket, ownsSocket: true))) { IsBackground = true }.Start();
            }
        }
        catch (SocketException)
        {
            // Disposed.
        }
    }

    private void Serve(NetworkStream stream)
    {
        try
        {
            byte[] greeting = new byte[8];
            stream.ReadExactly(greeting);
            Answer(stream, 0, AmqpMethods.ConnectionStart, writer => writer.Octet(0).Octet(9).Table(null).LongString("PLAIN").LongString("en_US"));
            Session session = new();
            while (TryReadFrame(stream, out byte type, out byte[] payload) && Handle(stream, type, payload, session))
            {
            }
        }
        catch (IOException)
        {
            // The client has gone.
        }
        catch (ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private bool Handle(Stream stream, byte type, byte[] payload, Session session)
    {
        if (type == AmqpFrames.Header)
        {
            session.Content.Clear();
            session.Content.BeginFrame(type, 1).Raw(payload).EndFrame();
            session.BodyLeft = BinaryPrimitives.ReadInt64BigEndian(payload.AsSpan(4));
        }
        else if (type == AmqpFrames.Body)
        {
            session.Content.BeginFrame(type, 1).Raw(payload).EndFrame();
            session.BodyLeft -= payload.Length;
        }
        else
        {
            return HandleMethod(stream, BinaryPrimitives.ReadUInt32BigEndian(payload), payload, session);
        }

        return session.BodyLeft > 0 || Published(stream, session);
    }

    private bool HandleMethod(Stream stream, uint method, byte[] payload, Session session)
    {
        switch (method)
        {
            case AmqpMethods.ConnectionStartOk:
                Answer(stream, 0, AmqpMethods.ConnectionTune, writer => writer.Short(10).Long(AmqpFrames.BytesMax).Short(60));
                break;
            case AmqpMethods.ConnectionTuneOk or AmqpMethods.BasicPublish or AmqpMethods.ChannelCloseOk:
                break;
            case AmqpMethods.BasicAck:
                Acknowledged = BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(4));
                break;
            case AmqpMethods.ChannelOpen:
                Answer(stream, 1, AmqpMethods.ChannelOpenOk, writer => writer.Long(0));
                break;
            case AmqpMethods.QueueDeclare:
                Answer(stream, 1, AmqpMethods.QueueDeclareOk, writer => writer.ShortString("q").Long(0).Long(0));
                break;
            case AmqpMethods.QueueDelete:
                Answer(stream, 1, AmqpMethods.QueueDeleteOk, writer => writer.Long(0));
                break;
            case AmqpMethods.ConfirmSelect:
                session.Confirms = true;
                Answer(stream, 1, AmqpMethods.ConfirmSelectOk, writer => writer);
                break;
            case AmqpMethods.BasicConsume:
                lock (_lock)
                {
                    Answer(stream, 1, AmqpMethods.BasicConsumeOk, writer => writer.ShortString("c"));
                    _consumer = stream;
                    _waiting.ForEach(Deliver);
                    _waiting.Clear();
                }

                break;
            default:
                Answer(stream, (ushort)(method >> 16 == 10 ? 0 : 1), method + 1, writer => writer.ShortString(""));
                return method != AmqpMethods.ConnectionClose;
        }

        return true;
    }

    private bool Published(Stream stream, Session session)
    {
        int number = ++session.Published;
        if (number == CloseChannelAt)
        {
            Answer(stream, 1, AmqpMethods.ChannelClose, writer => writer.Short(404).ShortString("NOT_FOUND - no exchange 'x'").Short(60).Short(40));
            return true;
        }

        byte[] content = session.Content.Written.ToArray();
        lock (_lock)
        {
            for (int copies = number == Lose || number == Nack ? 0 : number == Double ? 2 : 1; copies > 0; copies--)
            {
                if (_consumer is null)
                {
                    _waiting.Add(content);
                }
                else
                {
                    Deliver(content);
                }
            }
        }

        if (session.Confirms)
        {
            Answer(stream, 1, number == Nack ? AmqpMethods.BasicNack : AmqpMethods.BasicAck, writer => writer.LongLong((ulong)number).Octet(0));
        }

        return true;
    }

    private void Deliver(byte[] content)
    {
        FrameWriter writer = new();
        writer.BeginMethod(1, AmqpMethods.BasicDeliver).ShortString("c").LongLong(++_deliveryTag).Octet(0).ShortString("").ShortString("q").EndFrame();
        writer.Raw(content);
        _consumer!.Write(writer.Written);
    }

    private static void Answer(Stream stream, ushort channel, uint method, Func<FrameWriter, FrameWriter> fields)
    {
        FrameWriter writer = new();
        fields(writer.BeginMethod(channel, method)).EndFrame();
        stream.Write(writer.Written);
    }

    private static bool TryReadFrame(Stream stream, out byte type, out byte[] payload)
    {
        byte[] head = new byte[AmqpFrames.HeadBytes];
        payload = [];
        type = 0;
        if (stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
        {
            return false;
        }

        type = head[0];
        payload = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(3))];
        stream.ReadExactly(payload);
        return stream.ReadByte() == AmqpFrames.End;
    }

    private sealed class Session
    {
        public FrameWriter Content { get; } = new();

        public long BodyLeft { get; set; }

        public int Published { get; set; }

        public bool Confirms { get; set; }
    }
}
