using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>RabbitMQ's sender-selected distribution: more routing keys in the headers CC and BCC; BCC is not shown to consumers.</summary>
internal static class CopyHeaders
{
    public static ReadOnlySpan<byte> Cc => "CC"u8;

    public static ReadOnlySpan<byte> Bcc => "BCC"u8;

    /// <summary>Adds the routing keys of one of the two headers.</summary>
    /// <exception cref="AmqpException">The header is not an array; items that are not long strings are left out, as in RabbitMQ.</exception>
    public static void Collect(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> header, ref List<byte[]>? keys)
    {
        var reader = new FieldTableReader(headers);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            if (!name.SequenceEqual(header))
            {
                continue;
            }

            if (value.Type != FieldType.Array)
            {
                throw new AmqpException(ReplyCode.PreconditionFailed, $"invalid message: unacceptable type in header '{System.Text.Encoding.UTF8.GetString(header)}': an array of long strings is expected");
            }

            var items = new FieldArrayReader(value.Bytes);
            while (items.TryRead(out FieldValue item))
            {
                if (item.Type == FieldType.LongString)
                {
                    (keys ??= []).Add(item.Bytes.ToArray());
                }
            }
        }
    }
}
