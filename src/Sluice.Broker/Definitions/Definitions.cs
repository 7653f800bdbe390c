namespace Sluice.Broker.Definitions;

/// <summary>What was declared for a queue; kept in the metadata store when durable and not exclusive.</summary>
public sealed record QueueDefinition(string Name, bool Durable, bool Exclusive, bool AutoDelete, Arguments Arguments);

/// <summary>What was declared for an exchange. <paramref name="Type"/>: direct, fanout, topic, headers, x-consistent-hash, x-delayed-message.</summary>
public sealed record ExchangeDefinition(string Name, string Type, bool Durable, bool AutoDelete, bool Internal, Arguments Arguments);

/// <summary>A policy: settings for all queues or exchanges whose name matches. The highest priority that matches wins; operator policies are merged on top by taking the stricter value.</summary>
/// <param name="Name">Unique in its virtual host and class.</param>
/// <param name="Pattern">Regular expression on names.</param>
/// <param name="ApplyTo">queues, exchanges, all, classic_queues, quorum_queues or streams.</param>
/// <param name="Priority">Higher wins.</param>
/// <param name="Settings">Keys as RabbitMQ's: message-ttl, max-length, dead-letter-exchange…</param>
/// <param name="IsOperator">An operator policy.</param>
public sealed record PolicyDefinition(string Name, string Pattern, string ApplyTo, int Priority, Arguments Settings, bool IsOperator);

/// <summary>Kinds of queue by x-queue-type.</summary>
public enum QueueKind : byte
{
    Classic,
    Quorum,
    Stream,
}

/// <summary>What happens at a length limit (x-overflow).</summary>
public enum OverflowMode : byte
{
    DropHead,
    RejectPublish,
    RejectPublishDeadLetter,
}

/// <summary>A queue's arguments and policies, validated and merged: what is in force. Times in ms, -1 or null means not set.</summary>
public sealed record QueueSettings
{
    public QueueKind Kind { get; init; }

    /// <summary>x-message-ttl; -1: none. 0 expires at once unless a consumer takes it directly.</summary>
    public long MessageTimeToLiveMs { get; init; } = -1;

    /// <summary>x-expires: delete the queue after this long without use; -1: never.</summary>
    public long ExpiresMs { get; init; } = -1;

    public long MaxLength { get; init; } = -1;

    public long MaxLengthBytes { get; init; } = -1;

    public OverflowMode Overflow { get; init; }

    /// <summary>x-dead-letter-exchange; null: none. Empty string is the default exchange.</summary>
    public string? DeadLetterExchange { get; init; }

    /// <summary>Null: keep the message's own keys.</summary>
    public string? DeadLetterRoutingKey { get; init; }

    /// <summary>x-dead-letter-strategy is at-least-once.</summary>
    public bool WantsAtLeastOnce { get; init; }

    /// <summary>A dead message stays until every queue of its dead-letter exchange has taken it. As in RabbitMQ only with overflow reject-publish, because drop-head could not make room.</summary>
    public bool DeadLettersAtLeastOnce => WantsAtLeastOnce && Overflow == OverflowMode.RejectPublish && DeadLetterExchange is not null;

    /// <summary>x-max-priority: levels 0..n; 0: no priorities.</summary>
    public int MaxPriority { get; init; }

    public bool SingleActiveConsumer { get; init; }

    /// <summary>Redeliveries after which a message is dead-lettered or dropped; -1: never.</summary>
    public int DeliveryLimit { get; init; } = -1;

    /// <summary>x-max-age of a stream in ms; -1: none.</summary>
    public long MaxAgeMs { get; init; } = -1;

    /// <summary>x-stream-max-segment-size-bytes; -1: default.</summary>
    public int SegmentBytes { get; init; } = -1;

    /// <summary>Acknowledgement time-out (x-consumer-timeout) in ms; -1: the broker's default.</summary>
    public long ConsumerTimeoutMs { get; init; } = -1;

    /// <summary>Name of the policy in force; null if none.</summary>
    public string? Policy { get; init; }

    public string? OperatorPolicy { get; init; }
}
