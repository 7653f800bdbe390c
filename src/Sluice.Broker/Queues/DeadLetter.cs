using System.Buffers;
using System.Text;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;

namespace Sluice.Broker.Queues;

/// <summary>Publishes a message that died in a queue to the queue's dead-letter exchange, with its history.</summary>
internal readonly struct DeadLetter(CompetingQueue queue)
{
    /// <summary>Stages the message in the turn. There is nowhere for it (Unroutable) if the queue has no dead-letter exchange any more.</summary>
    public PublishOutcome Publish(PublishTurn turn, in MessageView message, DeathReason reason)
    {
        if (queue.Settings.DeadLetterExchange is not { } exchange)
        {
            return PublishOutcome.Unroutable;
        }

        byte[]? routingKey = queue.Settings.DeadLetterRoutingKey is { } key ? Encoding.UTF8.GetBytes(key) : null;
        IPropertiesReader? format = queue.Host.Broker.FindFormat(message.Format);
        ReadOnlyMemory<byte> properties = message.Properties.ToArray();
        IReadOnlyList<byte[]>? extraKeys = format?.ReadExtraRoutingKeys(properties);
        var routingKeys = new List<string> { Encoding.UTF8.GetString(message.RoutingKey) };
        if (extraKeys is not null)
        {
            routingKeys.AddRange(extraKeys.Select(Encoding.UTF8.GetString));
        }

        long originalTtl = message.ExpiresAtMs < 0 ? -1 : message.ExpiresAtMs - message.TimestampMs;
        var death = new Death(queue.Name, reason, 1, Encoding.UTF8.GetString(message.Exchange), routingKeys, queue.Host.NowMs, originalTtl);
        DeathHistory history = DeathHistory.Decode(message.Deaths).Add(death);
        IMessageHeaders? headers = format?.ReadHeaders(properties);
        var encoded = new ArrayBufferWriter<byte>(256);
        history.Encode(encoded);
        turn.CycleGuard = history;
        try
        {
            return turn.Publish(
                new MessageToPublish
                {
                    Exchange = Encoding.UTF8.GetBytes(exchange),
                    RoutingKey = routingKey ?? message.RoutingKey,
                    ExtraRoutingKeys = routingKey is null ? extraKeys : null,
                    Format = message.Format,
                    Properties = message.Properties,
                    Body = message.Body,
                    Persistent = queue.IsDurable,
                    Priority = format?.ReadPriority(properties) ?? 0,
                    DelayMs = DelayFor(message, headers),
                    Headers = headers,
                    Deaths = encoded.WrittenSpan,
                },
                ticket: 0);
        }
        finally
        {
            turn.CycleGuard = null;
        }
    }

    /// <summary>A dead-letter exchange may delay, once: a message that a delayed exchange held before is not held again for the same x-delay.</summary>
    private long DelayFor(scoped in MessageView message, IMessageHeaders? headers) =>
        headers is not null && headers.TryGet("x-delay"u8, out HeaderValue delay) && delay.Kind == HeaderKind.Integer
        && queue.Host.Names.FindExchange(message.Exchange) is not { IsDelayed: true }
            ? delay.Integer
            : -1;
}
