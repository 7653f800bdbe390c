using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Sluice.Admin;
using Sluice.Admin.Json;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Hosting.Management;

/// <summary>AMQP 0-9-1 properties as the management API's JSON, with RabbitMQ's names.</summary>
internal sealed class AmqpMessageFormat : IMessageFormat
{
    private static readonly (string Name, BasicPropertyFlags Flag)[] Properties =
    [
        ("content_type", BasicPropertyFlags.ContentType),
        ("content_encoding", BasicPropertyFlags.ContentEncoding),
        ("headers", BasicPropertyFlags.Headers),
        ("delivery_mode", BasicPropertyFlags.DeliveryMode),
        ("priority", BasicPropertyFlags.Priority),
        ("correlation_id", BasicPropertyFlags.CorrelationId),
        ("reply_to", BasicPropertyFlags.ReplyTo),
        ("expiration", BasicPropertyFlags.Expiration),
        ("message_id", BasicPropertyFlags.MessageId),
        ("timestamp", BasicPropertyFlags.Timestamp),
        ("type", BasicPropertyFlags.Type),
        ("user_id", BasicPropertyFlags.UserId),
        ("app_id", BasicPropertyFlags.AppId),
        ("cluster_id", BasicPropertyFlags.ClusterId),
    ];

    private readonly Amqp091PropertiesReader _reader = new();

    public void WriteProperties(Utf8JsonWriter to, PropertiesFormat format, ReadOnlySpan<byte> properties)
    {
        if (format != PropertiesFormat.Amqp091)
        {
            return;
        }

        var flags = (BasicPropertyFlags)BinaryPrimitives.ReadUInt16BigEndian(properties);
        ReadOnlySpan<byte> rest = properties[2..];
        foreach ((string name, BasicPropertyFlags flag) in Properties)
        {
            if ((flags & flag) == 0)
            {
                continue;
            }

            to.WritePropertyName(name);
            int length;
            switch (flag)
            {
                case BasicPropertyFlags.Headers:
                    length = 4 + BinaryPrimitives.ReadInt32BigEndian(rest);
                    ArgumentsJson.Write(to, ArgumentTable.Read(rest[4..length]));
                    break;
                case BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority:
                    length = 1;
                    to.WriteNumberValue(rest[0]);
                    break;
                case BasicPropertyFlags.Timestamp:
                    length = 8;
                    to.WriteNumberValue(BinaryPrimitives.ReadUInt64BigEndian(rest));
                    break;
                default:
                    length = 1 + rest[0];
                    to.WriteStringValue(Encoding.UTF8.GetString(rest[1..length]));
                    break;
            }

            rest = rest[length..];
        }
    }

    public EncodedProperties Encode(JsonElement properties)
    {
        if (properties.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("properties must be an object");
        }

        foreach (JsonProperty member in properties.EnumerateObject())
        {
            if (!Properties.Any(known => known.Name == member.Name))
            {
                throw new FormatException($"there is no property '{member.Name}'; there are {string.Join(", ", Properties.Select(known => known.Name))}");
            }
        }

        using MemoryStream values = new();
        BasicPropertyFlags flags = 0;
        foreach ((string name, BasicPropertyFlags flag) in Properties)
        {
            if (properties.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
            {
                flags |= flag;
                Write(values, name, flag, value);
            }
        }

        byte[] bytes = new byte[2 + values.Length];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)flags);
        values.ToArray().CopyTo(bytes.AsSpan(2));
        return Describe(bytes);
    }

    private EncodedProperties Describe(byte[] bytes)
    {
        BasicProperties read = BasicProperties.Read(bytes);
        long timeToLive = -1;
        if ((read.Flags & BasicPropertyFlags.Expiration) != 0
            && !long.TryParse(read.Expiration, NumberStyles.None, CultureInfo.InvariantCulture, out timeToLive))
        {
            throw new FormatException("'expiration' must be a number of milliseconds, as a string");
        }

        IMessageHeaders? headers = _reader.ReadHeaders(bytes);
        long delay = headers is not null && headers.TryGet("x-delay"u8, out HeaderValue value) && value.Kind == HeaderKind.Integer ? value.Integer : -1;
        return new EncodedProperties(PropertiesFormat.Amqp091, bytes)
        {
            Persistent = read.DeliveryMode == 2,
            Priority = read.Priority,
            TimeToLiveMs = timeToLive,
            DelayMs = delay,
            Headers = headers,
            ExtraRoutingKeys = _reader.ReadExtraRoutingKeys(bytes),
        };
    }

    private static void Write(MemoryStream to, string name, BasicPropertyFlags flag, JsonElement value)
    {
        switch (flag)
        {
            case BasicPropertyFlags.Headers:
                if (value.ValueKind != JsonValueKind.Object)
                {
                    throw new FormatException("'headers' must be an object");
                }

                Arguments headers = ArgumentsJson.Read(value);
                TableBuilder table = new();
                ArgumentTable.Write(headers, table);
                Span<byte> length = stackalloc byte[4];
                BinaryPrimitives.WriteInt32BigEndian(length, table.Entries.Length);
                to.Write(length);
                to.Write(table.Entries);
                break;
            case BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority:
                to.WriteByte((byte)Number(name, value, byte.MaxValue));
                break;
            case BasicPropertyFlags.Timestamp:
                Span<byte> seconds = stackalloc byte[8];
                BinaryPrimitives.WriteUInt64BigEndian(seconds, Number(name, value, ulong.MaxValue));
                to.Write(seconds);
                break;
            default:
                byte[] text = Encoding.UTF8.GetBytes(value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new FormatException($"'{name}' must be a string"));
                if (text.Length > byte.MaxValue)
                {
                    throw new FormatException($"'{name}' has {text.Length} bytes; AMQP allows at most 255");
                }

                to.WriteByte((byte)text.Length);
                to.Write(text);
                break;
        }
    }

    /// <summary>A number, which RabbitMQ's tools send as text too.</summary>
    private static ulong Number(string name, JsonElement value, ulong max)
    {
        ulong number = 0;
        bool isNumber = value.ValueKind switch
        {
            JsonValueKind.String => ulong.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out number),
            JsonValueKind.Number => value.TryGetUInt64(out number),
            _ => false,
        };
        return isNumber && number <= max ? number : throw new FormatException($"'{name}' must be a whole number up to {max}");
    }
}
