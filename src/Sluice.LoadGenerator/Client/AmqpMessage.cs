namespace Sluice.LoadGenerator.Client;

/// <summary>A message that arrived.</summary>
public sealed record AmqpMessage
{
    /// <summary>0 for a message that was returned.</summary>
    public ulong DeliveryTag { get; init; }

    public bool Redelivered { get; init; }

    public required string Exchange { get; init; }

    public required string RoutingKey { get; init; }

    /// <summary>Why it was returned (312 NO_ROUTE); null for a delivery.</summary>
    public string? ReturnReason { get; init; }

    public required AmqpProperties Properties { get; init; }

    public required byte[] Body { get; init; }
}

/// <summary>The properties of class basic (spec 1.8). Null: absent.</summary>
public sealed record AmqpProperties
{
    public static AmqpProperties None { get; } = new();

    public string? ContentType { get; init; }

    public string? ContentEncoding { get; init; }

    public IReadOnlyDictionary<string, object?>? Headers { get; init; }

    /// <summary>2: persistent.</summary>
    public byte? DeliveryMode { get; init; }

    public byte? Priority { get; init; }

    public string? CorrelationId { get; init; }

    public string? ReplyTo { get; init; }

    /// <summary>Time to live in ms, as text.</summary>
    public string? Expiration { get; init; }

    public string? MessageId { get; init; }

    /// <summary>Unix seconds.</summary>
    public ulong? Timestamp { get; init; }

    public string? Type { get; init; }

    public string? UserId { get; init; }

    public string? AppId { get; init; }

    /// <summary>All that are present, with the names that RabbitMQ's tools give them.</summary>
    public IEnumerable<(string Name, object Value)> Present()
    {
        (string Name, object? Value)[] all =
        [
            ("content_type", ContentType),
            ("content_encoding", ContentEncoding),
            ("headers", Headers),
            ("delivery_mode", DeliveryMode is { } mode ? (long)mode : null),
            ("priority", Priority is { } priority ? (long)priority : null),
            ("correlation_id", CorrelationId),
            ("reply_to", ReplyTo),
            ("expiration", Expiration),
            ("message_id", MessageId),
            ("timestamp", Timestamp is { } time ? (long)time : null),
            ("type", Type),
            ("user_id", UserId),
            ("app_id", AppId),
        ];
        return all.Where(property => property.Value is not null).Select(property => (property.Name, property.Value!));
    }

    /// <summary>Encodes flags and values (spec 4.2.6.1).</summary>
    public void Write(FrameWriter to)
    {
        object?[] all = [ContentType, ContentEncoding, Headers, DeliveryMode, Priority, CorrelationId, ReplyTo, Expiration, MessageId, Timestamp, Type, UserId, AppId];
        int flags = 0;
        for (int i = 0; i < all.Length; i++)
        {
            flags |= all[i] is null ? 0 : 1 << (15 - i);
        }

        to.Short((ushort)flags);
        foreach (object? value in all)
        {
            _ = value switch
            {
                null => to,
                byte octet => to.Octet(octet),
                ulong time => to.LongLong(time),
                string text => to.ShortString(text),
                _ => to.Table((IReadOnlyDictionary<string, object?>)value),
            };
        }
    }

    /// <summary>Reads flags and values.</summary>
    public static AmqpProperties Read(ref FieldReader from)
    {
        ushort flags = from.Short();
        bool Has(int index) => (flags & (1 << (15 - index))) != 0;
        return new AmqpProperties
        {
            ContentType = Has(0) ? from.ShortString() : null,
            ContentEncoding = Has(1) ? from.ShortString() : null,
            Headers = Has(2) ? from.Table() : null,
            DeliveryMode = Has(3) ? from.Octet() : null,
            Priority = Has(4) ? from.Octet() : null,
            CorrelationId = Has(5) ? from.ShortString() : null,
            ReplyTo = Has(6) ? from.ShortString() : null,
            Expiration = Has(7) ? from.ShortString() : null,
            MessageId = Has(8) ? from.ShortString() : null,
            Timestamp = Has(9) ? from.LongLong() : null,
            Type = Has(10) ? from.ShortString() : null,
            UserId = Has(11) ? from.ShortString() : null,
            AppId = Has(12) ? from.ShortString() : null,
        };
    }
}
