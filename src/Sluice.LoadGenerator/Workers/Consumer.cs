using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Workers;

/// <summary>Counts deliveries by walking frame heads, acknowledges every so many, and records latency from the stamp in the body.</summary>
internal sealed class Consumer : Worker
{
    private readonly LoadRun _run;
    private readonly int _acknowledgeEvery;
    private readonly bool _autoAcknowledge;
    private readonly bool _stamped;
    private readonly int _bodyBytes;
    private readonly string _queue;
    private ulong _tag;
    private ulong _acknowledged;
    private ulong _bodyLeft;
    private bool _awaitsStamp;
    private bool _inContent;
    private long _stamp;
    private long _runStamp;
    private long _runLength;
    private long _firstAt;

    public Consumer(AmqpLoadOptions options, LoadRun run, AmqpClient client, int index)
        : base(client, $"consumer {index}")
    {
        _run = run;
        _queue = options.NameOfQueue(index % options.Queues);
        _autoAcknowledge = options.AutoAcknowledge;
        _acknowledgeEvery = options.AcknowledgeEvery;
        _bodyBytes = options.BodyBytes;
        _stamped = options.BodyBytes >= sizeof(long) && options.Producers > 0;
        if (!_autoAcknowledge && options.Prefetch > 0)
        {
            client.SetPrefetch(options.Prefetch);
        }
    }

    public LatencyHistogram Latency { get; } = new();

    /// <summary>Deliveries marked as redelivered.</summary>
    public long Redelivered { get; private set; }

    /// <summary>When the first delivery came; 0 if none did.</summary>
    public long FirstAt => Volatile.Read(ref _firstAt);

    protected override void Run()
    {
        Client.StartConsumer(_queue, _autoAcknowledge);
        long consumed = 0;
        while (true)
        {
            long now = LoadRun.Now;
            long taken = TakeBuffered(now);
            if (taken > 0)
            {
                if (consumed == 0)
                {
                    Volatile.Write(ref _firstAt, now);
                }

                consumed += taken;
                Done = consumed;
                LastAt = now;
            }

            if (Client.Writer.Count > 0)
            {
                Client.Send();
            }

            bool idle = !Client.Fill();
            if (idle || _run.ConsumersStop)
            {
                // Nothing came for a while, or this is the end: acknowledge the odd ones too.
                ulong whole = _inContent ? _tag - 1 : _tag;
                if (!_autoAcknowledge && _acknowledged < whole)
                {
                    Acknowledge(whole);
                    Client.Send();
                }

                if (_run.ConsumersStop)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Walks all whole frames in the buffer; returns how many messages they completed.</summary>
    private long TakeBuffered(long now)
    {
        long taken = 0;
        while (Client.TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
        {
            switch (type)
            {
                case AmqpFrames.Method:
                    uint method = BinaryPrimitives.ReadUInt32BigEndian(payload);
                    if (method == AmqpMethods.BasicDeliver)
                    {
                        BeginDelivery(payload);
                    }
                    else
                    {
                        Client.HandleUnasked(method, payload[4..]);
                    }

                    break;
                case AmqpFrames.Header:
                    _bodyLeft = BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
                    _awaitsStamp = _stamped;
                    if (_bodyLeft != (ulong)_bodyBytes)
                    {
                        throw new AmqpProtocolException($"A message of {_bodyLeft} bytes arrived where all have {_bodyBytes}: queue {_queue} holds something else.");
                    }

                    if (_bodyLeft == 0)
                    {
                        taken++;
                        EndDelivery(now);
                    }

                    break;
                case AmqpFrames.Body:
                    if (!_inContent || (ulong)payload.Length > _bodyLeft)
                    {
                        throw new AmqpProtocolException("The server sent a body frame that belongs to no message.");
                    }

                    if (_awaitsStamp)
                    {
                        _awaitsStamp = false;
                        _stamp = MemoryMarshal.Read<long>(payload);
                    }

                    _bodyLeft -= (ulong)payload.Length;
                    if (_bodyLeft == 0)
                    {
                        taken++;
                        EndDelivery(now);
                    }

                    break;
            }
        }

        FlushRecord(now);
        return taken;
    }

    /// <summary>basic.deliver: class, method, consumer tag, delivery tag, redelivered, exchange, routing key.</summary>
    private void BeginDelivery(ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> afterConsumerTag = payload[(5 + payload[4])..];
        ulong tag = BinaryPrimitives.ReadUInt64BigEndian(afterConsumerTag);
        if (_inContent || tag != _tag + 1)
        {
            throw new AmqpProtocolException($"The server sent delivery tag {tag} after {_tag}{(_inContent ? ", in the middle of a message" : "")}.");
        }

        _tag = tag;
        _inContent = true;
        Redelivered += afterConsumerTag[8] & 1;
    }

    private void EndDelivery(long now)
    {
        _inContent = false;
        if (_stamped)
        {
            Record(_stamp, now);
        }

        if (!_autoAcknowledge && _tag - _acknowledged >= (ulong)_acknowledgeEvery)
        {
            Acknowledge(_tag);
        }
    }

    private void Acknowledge(ulong tag)
    {
        AmqpTopology.WriteAcknowledge(Client.Writer, tag, multiple: true);
        _acknowledged = tag;
    }

    /// <summary>Neighbours sent in one write share their stamp: they are recorded as one.</summary>
    private void Record(long stamp, long now)
    {
        if (stamp != _runStamp)
        {
            FlushRecord(now);
            _runStamp = stamp;
        }

        _runLength++;
    }

    private void FlushRecord(long now)
    {
        if (_runLength > 0 && _runStamp >= _run.MeasureSince)
        {
            Latency.Record(now - _runStamp, _runLength);
        }

        _runLength = 0;
    }
}
