using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>A consumer of amq.rabbitmq.reply-to: replies go to it without a queue, in memory.</summary>
internal sealed class DirectReplyConsumer
{
    public DirectReplyConsumer(Amqp091Channel channel, string tag, string virtualHost)
    {
        Channel = channel;
        Tag = tag;
        TagBytes = Encoding.UTF8.GetBytes(tag);
        VirtualHost = virtualHost;
        Token = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        Address = Encoding.ASCII.GetBytes(DirectReplies.Prefix + Token);
    }

    public Amqp091Channel Channel { get; }

    public string Tag { get; }

    public byte[] TagBytes { get; }

    public string VirtualHost { get; }

    /// <summary>Cannot be guessed: who knows it may reply.</summary>
    public string Token { get; }

    /// <summary>What the requests' reply-to becomes: amq.rabbitmq.reply-to.token.</summary>
    public byte[] Address { get; }
}

/// <summary>Direct reply-to (RabbitMQ's extension): who waits for replies under which address.</summary>
internal sealed class DirectReplies
{
    /// <summary>The pseudo queue that clients consume from and name as reply-to.</summary>
    public const string QueueName = "amq.rabbitmq.reply-to";

    public const string Prefix = QueueName + ".";

    private readonly ConcurrentDictionary<string, DirectReplyConsumer> _byToken = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, DirectReplyConsumer>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    public DirectReplies() => _lookup = _byToken.GetAlternateLookup<ReadOnlySpan<char>>();

    public static ReadOnlySpan<byte> QueueNameBytes => "amq.rabbitmq.reply-to"u8;

    /// <summary>Whether a routing key of the default exchange is a reply address.</summary>
    public static bool IsAddress(ReadOnlySpan<byte> routingKey) => routingKey.StartsWith("amq.rabbitmq.reply-to."u8);

    public void Add(DirectReplyConsumer consumer) => _byToken[consumer.Token] = consumer;

    public void Remove(DirectReplyConsumer consumer) => _byToken.TryRemove(consumer.Token, out _);

    /// <summary>Who waits under the address in the virtual host; null if nobody does any more.</summary>
    public DirectReplyConsumer? Find(ReadOnlySpan<byte> address, string virtualHost)
    {
        Span<char> token = stackalloc char[byte.MaxValue];
        int length = Encoding.Latin1.GetChars(address[Prefix.Length..], token);
        return _lookup.TryGetValue(token[..length], out DirectReplyConsumer? consumer) && consumer.VirtualHost == virtualHost ? consumer : null;
    }
}
