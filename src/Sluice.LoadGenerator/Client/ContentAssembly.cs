using System.Buffers.Binary;

namespace Sluice.LoadGenerator.Client;

/// <summary>Puts the frames of deliveries and returned messages together. One thread.</summary>
internal sealed class ContentAssembly
{
    private AmqpMessage? _message;
    private byte[] _body = [];
    private int _filled;
    private bool _inBody;

    /// <summary>Whether a method begins a message.</summary>
    public static bool Begins(uint method) => method is AmqpMethods.BasicDeliver or AmqpMethods.BasicReturn;

    public void Begin(uint method, ReadOnlySpan<byte> payload)
    {
        FieldReader fields = new(payload[4..]);
        if (method == AmqpMethods.BasicDeliver)
        {
            fields.ShortString();
            _message = new AmqpMessage
            {
                DeliveryTag = fields.LongLong(),
                Redelivered = (fields.Octet() & 1) != 0,
                Exchange = fields.ShortString(),
                RoutingKey = fields.ShortString(),
                Properties = AmqpProperties.None,
                Body = [],
            };
        }
        else
        {
            _message = new AmqpMessage
            {
                ReturnReason = $"{fields.Short()} {fields.ShortString()}",
                Exchange = fields.ShortString(),
                RoutingKey = fields.ShortString(),
                Properties = AmqpProperties.None,
                Body = [],
            };
        }

        _inBody = false;
    }

    /// <summary>Takes a header or body frame; the message when it is complete, else null.</summary>
    public AmqpMessage? Take(byte type, ReadOnlySpan<byte> payload)
    {
        if (type == AmqpFrames.Heartbeat)
        {
            return null;
        }

        if (_message is null || (type == AmqpFrames.Body) != _inBody || (_inBody && payload.Length > _body.Length - _filled))
        {
            throw new AmqpProtocolException("The server sent a content frame that belongs to no message.");
        }

        if (type == AmqpFrames.Header)
        {
            ulong size = BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
            if (size > (ulong)Array.MaxLength)
            {
                throw new AmqpProtocolException($"The server announced a message of {size} bytes.");
            }

            FieldReader fields = new(payload[12..]);
            _message = _message with { Properties = AmqpProperties.Read(ref fields) };
            _body = new byte[size];
            _filled = 0;
            _inBody = true;
        }
        else
        {
            payload.CopyTo(_body.AsSpan(_filled));
            _filled += payload.Length;
        }

        if (_filled < _body.Length)
        {
            return null;
        }

        AmqpMessage whole = _message with { Body = _body };
        _message = null;
        return whole;
    }
}
