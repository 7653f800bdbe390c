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
/// <param name="Problem">What is wrong with a value, in words for who wrote it; null if nothing is.</param>
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
        new("x-queue-type", null, QueueKinds.All, value => OneOf(value, "classic", "quorum", "stream")),
        new("x-message-ttl", "message-ttl", QueueKinds.ClassicAndQuorum, value => Integer(value, 0, ExpiryMsMax)) { IsLimit = true },
        new("x-expires", "expires", QueueKinds.ClassicAndQuorum, value => Integer(value, 1, ExpiryMsMax)) { IsLimit = true },
        new("x-max-length", "max-length", QueueKinds.ClassicAndQuorum, value => Integer(value, 0)) { IsLimit = true },
        new("x-max-length-bytes", "max-length-bytes", QueueKinds.All, value => Integer(value, 0)) { IsLimit = true },
        new("x-overflow", "overflow", QueueKinds.ClassicAndQuorum, value => OneOf(value, "drop-head", "reject-publish", "reject-publish-dlx")),
        new("x-dead-letter-exchange", "dead-letter-exchange", QueueKinds.ClassicAndQuorum, Text),
        new("x-dead-letter-routing-key", "dead-letter-routing-key", QueueKinds.ClassicAndQuorum, Text),
        new("x-dead-letter-strategy", "dead-letter-strategy", QueueKinds.Quorum, value => OneOf(value, "at-most-once", "at-least-once")),
        new("x-max-priority", null, QueueKinds.Classic, value => Integer(value, 0, 255)),
        new("x-single-active-consumer", null, QueueKinds.ClassicAndQuorum, value => value is bool ? null : $"expected true or false, got {ArgumentNames.Describe(value)}"),
        new("x-delivery-limit", "delivery-limit", QueueKinds.Quorum, value => Integer(value, 0, int.MaxValue)) { IsLimit = true },
        new("x-consumer-timeout", "consumer-timeout", QueueKinds.All, value => Integer(value, 1)),
        new("x-max-age", "max-age", QueueKinds.Stream, value => Text(value) ?? (MaxAge.TryParse((string)value!, out _) ? null : $"expected a number and one of the units Y, M, D, h, m, s, such as '7D', got {ArgumentNames.Describe(value)}")),
        new("x-stream-max-segment-size-bytes", "stream-max-segment-size-bytes", QueueKinds.Stream, value => Integer(value, 1, SegmentBytesMax)),

        // Accepted without effect.
        new("x-queue-mode", "queue-mode", QueueKinds.Classic, value => OneOf(value, "default", "lazy")),
        new("x-queue-version", "queue-version", QueueKinds.Classic, value => Integer(value, long.MinValue) ?? (value is 1L or 2L ? null : $"expected 1 or 2, got {ArgumentNames.Describe(value)}")),
        new("x-queue-master-locator", "queue-master-locator", QueueKinds.Classic, value => OneOf(value, "min-masters", "client-local", "random")),
        new("x-queue-leader-locator", "queue-leader-locator", QueueKinds.Quorum | QueueKinds.Stream, value => OneOf(value, "client-local", "balanced", "least-leaders", "random")),
        new("x-quorum-initial-group-size", null, QueueKinds.Quorum, value => Integer(value, 1)),
        new("x-quorum-target-group-size", null, QueueKinds.Quorum, value => Integer(value, 1)),
        new("x-initial-cluster-size", "initial-cluster-size", QueueKinds.Stream, value => Integer(value, 1)),
        new("x-max-in-memory-length", "max-in-memory-length", QueueKinds.Quorum, value => Integer(value, 0)) { IsLimit = true },
        new("x-max-in-memory-bytes", "max-in-memory-bytes", QueueKinds.Quorum, value => Integer(value, 0)) { IsLimit = true },
    }.ToDictionary(argument => argument.Name);

    private static string? Integer(object? value, long min, long max = long.MaxValue) => value switch
    {
        not long => $"expected an integer, got {ArgumentNames.Describe(value)}",
        long integer when integer < min => $"expected at least {min}, got {integer}",
        long integer when integer > max => $"expected at most {max}, got {integer}",
        _ => null,
    };

    private static string? Text(object? value) => value is string ? null : $"expected a string, got {ArgumentNames.Describe(value)}";

    private static string? OneOf(object? value, params string[] choices) =>
        value is string text && choices.Contains(text) ? null : $"expected {string.Join(", ", choices[..^1])} or {choices[^1]}, got {ArgumentNames.Describe(value)}";
}
