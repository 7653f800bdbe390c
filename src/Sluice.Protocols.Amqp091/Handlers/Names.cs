using System.Text;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Names in methods: decoding, RabbitMQ's leniency, and the shortcut of the empty queue name.</summary>
internal static class Names
{
    /// <summary>Line ends in names are dropped, as RabbitMQ does: they come from clients that read names from files.</summary>
    public static string Read(ReadOnlySpan<byte> name)
    {
        string text = Encoding.UTF8.GetString(name);
        return text.AsSpan().IndexOfAny('\r', '\n') < 0 ? text : text.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);
    }

    /// <summary>A queue name; the empty one stands for the queue last declared on the channel.</summary>
    public static string Queue(Amqp091Channel channel, ReadOnlySpan<byte> name)
    {
        if (!name.IsEmpty)
        {
            return Read(name);
        }

        return channel.LastQueue.Length > 0 ? channel.LastQueue : throw new AmqpException(ReplyCode.NotFound, "no previously declared queue");
    }
}
