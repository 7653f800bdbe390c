using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>The headers table of a message as the broker's routing sees it. Reusable: points at other bytes for each message.</summary>
internal sealed class BasicHeaders : IMessageHeaders
{
    private ReadOnlyMemory<byte> _table;
    private int _count;

    public int Count => _count >= 0 ? _count : _count = CountEntries();

    /// <summary>Borrows well-formed table entries until the next call.</summary>
    public BasicHeaders Over(ReadOnlyMemory<byte> table)
    {
        _table = table;
        _count = -1;
        return this;
    }

    public bool TryGet(ReadOnlySpan<byte> name, out HeaderValue value)
    {
        var reader = new FieldTableReader(_table.Span);
        while (reader.TryRead(out ReadOnlySpan<byte> candidate, out FieldValue field))
        {
            if (candidate.SequenceEqual(name))
            {
                value = Convert(field);
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>A table's value as routing compares it. Borrowed.</summary>
    public static HeaderValue Convert(FieldValue field)
    {
        if (field.TryGetInteger(out long integer))
        {
            return new HeaderValue { Kind = HeaderKind.Integer, Integer = integer };
        }

        return field.Type switch
        {
            FieldType.Boolean => new HeaderValue { Kind = HeaderKind.Boolean, Integer = field.AsBoolean ? 1 : 0 },
            FieldType.Float or FieldType.Double => new HeaderValue { Kind = HeaderKind.Double, Double = field.AsDouble },
            FieldType.LongString or FieldType.Octets => new HeaderValue { Kind = HeaderKind.Bytes, Bytes = field.Bytes },
            FieldType.Void => new HeaderValue { Kind = HeaderKind.Null },
            _ => new HeaderValue { Kind = HeaderKind.Other, Bytes = field.Bytes },
        };
    }

    private int CountEntries()
    {
        int count = 0;
        var reader = new FieldTableReader(_table.Span);
        while (reader.TryRead(out _, out _))
        {
            count++;
        }

        return count;
    }
}
