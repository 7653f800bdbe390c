using System.Buffers.Binary;
using System.Text.Unicode;
using Sluice.Base.Binary;
using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>
/// A log client's record as AMQP shows it (docs/protocols/mapping.md): record headers become headers, those called amqp.… properties. One per channel, used under its gate.
/// </summary>
internal sealed class RecordProperties
{
    /// <summary>The header that carries the record's key.</summary>
    public static ReadOnlySpan<byte> Key => "x-kafka-key"u8;

    private static ReadOnlySpan<byte> Timestamp => "x-kafka-timestamp"u8;

    private static ReadOnlySpan<byte> PropertyPrefix => "amqp."u8;

    private readonly List<(int Name, int NameLength, int Value, int ValueLength)> _headers = [];
    private byte[] _properties = [];

    /// <summary>Puts the record's headers, its key and its time into <paramref name="headers"/> and returns the other properties with an empty headers table. Borrowed until the next call.</summary>
    public ReadOnlySpan<byte> Convert(scoped in MessageView record, TableBuilder headers)
    {
        Parse(record);
        for (int i = 0; i < _headers.Count; i++)
        {
            ReadOnlySpan<byte> name = Name(record, i);
            if (name.Length is > 0 and <= byte.MaxValue && !IsRepeated(record, i) && PropertyOf(record, i) == BasicPropertyFlags.None)
            {
                AddHeader(record, i, headers);
            }
        }

        if (record.HasKey)
        {
            AddValue(headers.Name(Key), record.Key);
        }

        headers.Add(Timestamp, record.CreatedMs);
        return WriteProperties(record);
    }

    /// <summary>What the record's key is as a routing key; empty if it is none. A record in a queue has the one by which it was routed there.</summary>
    public static ReadOnlySpan<byte> RoutingKey(scoped in MessageView record) =>
        !record.RoutingKey.IsEmpty ? record.RoutingKey :
        record.HasKey && record.Key.Length <= byte.MaxValue && Utf8.IsValid(record.Key) ? record.Key : default;

    private static void AddValue(TableBuilder headers, ReadOnlySpan<byte> value)
    {
        if (Utf8.IsValid(value))
        {
            headers.ItemText(value);
        }
        else
        {
            headers.ItemOctets(value);
        }
    }

    private static BasicPropertyFlags PropertyNamed(ReadOnlySpan<byte> name) => name switch
    {
        _ when name.SequenceEqual("content-type"u8) => BasicPropertyFlags.ContentType,
        _ when name.SequenceEqual("content-encoding"u8) => BasicPropertyFlags.ContentEncoding,
        _ when name.SequenceEqual("correlation-id"u8) => BasicPropertyFlags.CorrelationId,
        _ when name.SequenceEqual("reply-to"u8) => BasicPropertyFlags.ReplyTo,
        _ when name.SequenceEqual("message-id"u8) => BasicPropertyFlags.MessageId,
        _ when name.SequenceEqual("type"u8) => BasicPropertyFlags.Type,
        _ when name.SequenceEqual("app-id"u8) => BasicPropertyFlags.AppId,
        _ => BasicPropertyFlags.None,
    };

    private ReadOnlySpan<byte> Name(scoped in MessageView record, int index) => record.Headers.Slice(_headers[index].Name, _headers[index].NameLength);

    private ReadOnlySpan<byte> Value(scoped in MessageView record, int index) => record.Headers.Slice(_headers[index].Value, Math.Max(0, _headers[index].ValueLength));

    private void Parse(scoped in MessageView record)
    {
        _headers.Clear();
        int at = 0;
        for (int i = 0; i < record.HeaderCount; i++)
        {
            // The batch was checked when it came.
            if (!Varint.TryRead(record.Headers, ref at, out long nameLength) || nameLength < 0 || nameLength > record.Headers.Length - at)
            {
                return;
            }

            int name = at;
            at += (int)nameLength;
            if (!Varint.TryRead(record.Headers, ref at, out long valueLength) || valueLength > record.Headers.Length - at)
            {
                return;
            }

            _headers.Add((name, (int)nameLength, at, (int)valueLength));
            at += (int)Math.Max(0, valueLength);
        }
    }

    /// <summary>An earlier header has the name, and shows this one's value too.</summary>
    private bool IsRepeated(scoped in MessageView record, int index)
    {
        for (int i = 0; i < index; i++)
        {
            if (Name(record, i).SequenceEqual(Name(record, index)))
            {
                return true;
            }
        }

        return false;
    }

    private void AddHeader(scoped in MessageView record, int index, TableBuilder headers)
    {
        ReadOnlySpan<byte> name = Name(record, index);
        int count = 0;
        for (int i = index; i < _headers.Count; i++)
        {
            count += Name(record, i).SequenceEqual(name) ? 1 : 0;
        }

        if (count == 1)
        {
            headers.Name(name);
            AddItem(record, index, headers);
            return;
        }

        headers.BeginArray(name);
        for (int i = index; i < _headers.Count; i++)
        {
            if (Name(record, i).SequenceEqual(name))
            {
                AddItem(record, i, headers);
            }
        }

        headers.End();
    }

    private void AddItem(scoped in MessageView record, int index, TableBuilder headers)
    {
        if (_headers[index].ValueLength < 0)
        {
            headers.ItemVoid();
        }
        else
        {
            AddValue(headers, Value(record, index));
        }
    }

    /// <summary>The property that the header is, if its value can be one.</summary>
    private BasicPropertyFlags PropertyOf(scoped in MessageView record, int index)
    {
        ReadOnlySpan<byte> name = Name(record, index);
        ReadOnlySpan<byte> value = Value(record, index);
        return name.StartsWith(PropertyPrefix) && _headers[index].ValueLength is >= 0 and <= byte.MaxValue && Utf8.IsValid(value)
            ? PropertyNamed(name[PropertyPrefix.Length..])
            : BasicPropertyFlags.None;
    }

    private ReadOnlySpan<byte> WriteProperties(scoped in MessageView record)
    {
        int sizeMax = 2 + 4 + 1 + 8 + (7 * (byte.MaxValue + 1));
        if (_properties.Length < sizeMax)
        {
            _properties = new byte[sizeMax];
        }

        var writer = new FieldWriter(_properties);
        writer.WriteShort(0);
        BasicPropertyFlags flags = BasicPropertyFlags.None;
        for (int bit = 15; bit >= 2; bit--)
        {
            var property = (BasicPropertyFlags)(1 << bit);
            switch (property)
            {
                case BasicPropertyFlags.Headers:
                    writer.WriteTable([]);
                    flags |= property;
                    break;
                case BasicPropertyFlags.DeliveryMode:
                    writer.WriteOctet(2);
                    flags |= property;
                    break;
                case BasicPropertyFlags.Timestamp when record.CreatedMs >= 0:
                    writer.WriteLongLong((ulong)(record.CreatedMs / 1000));
                    flags |= property;
                    break;
                default:
                    if (Find(record, property) is >= 0 and int index)
                    {
                        writer.WriteShortString(Value(record, index));
                        flags |= property;
                    }

                    break;
            }
        }

        BinaryPrimitives.WriteUInt16BigEndian(_properties, (ushort)flags);
        return _properties.AsSpan(0, writer.Written);
    }

    private int Find(scoped in MessageView record, BasicPropertyFlags property)
    {
        for (int i = 0; i < _headers.Count; i++)
        {
            if (PropertyOf(record, i) == property)
            {
                return i;
            }
        }

        return -1;
    }
}
