namespace Sluice.Broker.Definitions;

/// <summary>Kinds of queue that take an argument.</summary>
[Flags]
internal enum QueueKinds
{
    Classic = 1,
    Quorum = 2,
    Stream = 4,
    ClassicAndQuorum = Classic | Quorum,
    All = Classic | Quorum | Stream,
}

/// <summary>One argument that a queue may be declared with, and the policy key of the same meaning.</summary>
/// <param name="Name">Argument, x-….</param>
/// <param name="PolicyKey">Policy key; null if no policy sets it.</param>
/// <param name="Kinds">Kinds of queue it applies to.</param>
/// <param name="Problem">What is wrong with a value, in RabbitMQ's words; null if nothing is.</param>
internal sealed record QueueArgument(string Name, string? PolicyKey, QueueKinds Kinds, Func<object?, string?> Problem)
{
    /// <summary>Ten years: the longest time RabbitMQ takes.</summary>
    public const long ExpiryMsMax = 315_360_000_000;

    public const long SegmentBytesMax = 3_000_000_000;

    /// <summary>An operator policy may set it: a limit, of which the strictest counts.</summary>
    public bool IsLimit { get; init; }

    /// <summary>
    /// Every argument that is taken. Those after the second line concern how RabbitMQ keeps or places a queue in memory or in a cluster;
    /// they are checked and have no effect, since there is nothing here that they would change.
    /// </summary>
    public static IReadOnlyDictionary<string, QueueArgument> All { get; } = new QueueArgument[]
    {
        new("x-queue-type", null, QueueKinds.All, value => OneOf(value, "queue type", "classic", "quorum", "stream")),
        new("x-message-ttl", "message-ttl", QueueKinds.ClassicAndQuorum, value => Integer(value, 0, ExpiryMsMax)) { IsLimit = true },
        new("x-expires", "expires", QueueKinds.ClassicAndQuorum, value => Integer(value, 1, ExpiryMsMax)) { IsLimit = true },
        new("x-max-length", "max-length", QueueKinds.ClassicAndQuorum, value => Integer(value, 0)) { IsLimit = true },
        new("x-max-length-bytes", "max-length-bytes", QueueKinds.All, value => Integer(value, 0)) { IsLimit = true },
        new("x-overflow", "overflow", QueueKinds.ClassicAndQuorum, value => Text(value) ?? (value is "drop-head" or "reject-publish" or "reject-publish-dlx" ? null : "invalid_overflow")),
        new("x-dead-letter-exchange", "dead-letter-exchange", QueueKinds.ClassicAndQuorum, Text),
        new("x-dead-letter-routing-key", "dead-letter-routing-key", QueueKinds.ClassicAndQuorum, Text),
        new("x-dead-letter-strategy", "dead-letter-strategy", QueueKinds.Quorum, value => OneOf(value, "dead letter strategy", "at-most-once", "at-least-once")),
        new("x-max-priority", null, QueueKinds.Classic, value => Integer(value, 0, 255, "max_value_exceeded")),
        new("x-single-active-consumer", null, QueueKinds.ClassicAndQuorum, value => value is bool ? null : $"{{unacceptable_type,{ArgumentNames.TypeOf(value)}}}"),
        new("x-delivery-limit", "delivery-limit", QueueKinds.Quorum, value => Integer(value, 0, int.MaxValue)) { IsLimit = true },
        new("x-consumer-timeout", "consumer-timeout", QueueKinds.All, value => Integer(value, 1)),
        new("x-max-age", "max-age", QueueKinds.Stream, value => Text(value) ?? (MaxAge.TryParse((string)value!, out _) ? null : "invalid_max_age")),
        new("x-stream-max-segment-size-bytes", "stream-max-segment-size-bytes", QueueKinds.Stream, value => Integer(value, 1, SegmentBytesMax)),

        // Accepted without effect.
        new("x-queue-mode", "queue-mode", QueueKinds.Classic, value => OneOf(value, "queue mode", "default", "lazy")),
        new("x-queue-version", "queue-version", QueueKinds.Classic, value => Integer(value, long.MinValue) ?? (value is 1L or 2L ? null : $"\"unsupported queue version '{value}'\"")),
        new("x-queue-master-locator", "queue-master-locator", QueueKinds.Classic, value => OneOf(value, "queue master locator", "min-masters", "client-local", "random")),
        new("x-queue-leader-locator", "queue-leader-locator", QueueKinds.Quorum | QueueKinds.Stream, value => OneOf(value, "queue leader locator", "client-local", "balanced", "least-leaders", "random")),
        new("x-quorum-initial-group-size", null, QueueKinds.Quorum, value => Integer(value, 1)),
        new("x-quorum-target-group-size", null, QueueKinds.Quorum, value => Integer(value, 1)),
        new("x-initial-cluster-size", "initial-cluster-size", QueueKinds.Stream, value => Integer(value, 1)),
        new("x-max-in-memory-length", "max-in-memory-length", QueueKinds.Quorum, value => Integer(value, 0)) { IsLimit = true },
        new("x-max-in-memory-bytes", "max-in-memory-bytes", QueueKinds.Quorum, value => Integer(value, 0)) { IsLimit = true },
    }.ToDictionary(argument => argument.Name);

    private static string? Integer(object? value, long min, long max = long.MaxValue, string tooLarge = "value_too_large") => value switch
    {
        not long => $"\"expected integer, got {ArgumentNames.TypeOf(value)}\"",
        < 0L when min >= 0 => $"{{value_negative,{value}}}",
        0L when min > 0 => "{value_zero,0}",
        long integer when integer > max => $"{{{tooLarge},{value}}}",
        _ => null,
    };

    private static string? Text(object? value) => value is string ? null : $"{{unacceptable_type,{ArgumentNames.TypeOf(value)}}}";

    private static string? OneOf(object? value, string what, params string[] choices) =>
        Text(value) ?? (choices.Contains((string)value!) ? null : $"\"unsupported {what} '{value}'\"");
}
