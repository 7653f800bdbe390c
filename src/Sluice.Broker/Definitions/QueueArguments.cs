namespace Sluice.Broker.Definitions;

/// <summary>
/// Checks what a queue is declared with, as RabbitMQ 3.10 does and in its words, and merges it with policies.
/// Stricter than RabbitMQ in two ways: an argument that is not known is refused, with or without x- (RabbitMQ ignores it), and
/// x-consumer-timeout is honoured (RabbitMQ has it from 3.12 on).
/// </summary>
public static class QueueArguments
{
    private static QueueSettings? s_lastResolved;

    /// <summary>The kind asked for; classic if none or an unknown one is.</summary>
    public static QueueKind KindOf(Arguments arguments) => arguments["x-queue-type"] switch
    {
        "quorum" => QueueKind.Quorum,
        "stream" => QueueKind.Stream,
        _ => QueueKind.Classic,
    };

    /// <summary>InvalidArgument if the queue cannot be exactly what is asked for.</summary>
    public static BrokerResult Check(QueueDefinition definition, string virtualHost)
    {
        Arguments arguments = definition.Arguments;
        string where = $"for queue '{definition.Name}' in vhost '{virtualHost}'";
        if (arguments.Has("x-queue-type") && QueueArgument.All["x-queue-type"].Problem(arguments["x-queue-type"]) is { } typeProblem)
        {
            return Invalid($"invalid arg 'x-queue-type' {where}: {typeProblem}");
        }

        QueueKind kind = KindOf(arguments);
        foreach ((string name, object? value) in arguments.Items)
        {
            if (!QueueArgument.All.TryGetValue(name, out QueueArgument? argument))
            {
                return Invalid($"invalid arg '{name}' {where}: it is not known here, so it would have no effect");
            }

            if (!AppliesTo(argument, kind))
            {
                return Invalid($"invalid arg '{name}' {where} of queue type {NameOf(kind)}");
            }

            if (argument.Problem(value) is { } problem)
            {
                return Invalid($"invalid arg '{name}' {where}: {problem}");
            }
        }

        if (arguments.Has("x-dead-letter-routing-key") && !arguments.Has("x-dead-letter-exchange"))
        {
            return Invalid($"invalid arg 'x-dead-letter-routing-key' {where}: it has no effect without x-dead-letter-exchange");
        }

        string? property = kind == QueueKind.Classic ? null
            : !definition.Durable ? "non-durable"
            : definition.Exclusive ? "exclusive-owner"
            : definition.AutoDelete ? "auto-delete"
            : null;
        return property is null ? BrokerResult.Ok : Invalid($"invalid property '{property}' {where} of queue type {NameOf(kind)}");
    }

    /// <summary>Queues are mostly declared alike, one after the other: those share their settings.</summary>
    private static QueueSettings Share(QueueSettings settings)
    {
        if (Volatile.Read(ref s_lastResolved) is { } last && last == settings)
        {
            return last;
        }

        Volatile.Write(ref s_lastResolved, settings);
        return settings;
    }

    /// <summary>
    /// What is in force for a checked queue. Of limits in arguments, policy and operator policy the smallest counts;
    /// of anything else the argument if given, else the policy. Keys of a policy that do not apply to the queue's kind have no effect on it.
    /// </summary>
    public static QueueSettings Resolve(QueueDefinition definition, PolicyDefinition? policy, PolicyDefinition? operatorPolicy)
    {
        QueueKind kind = KindOf(definition.Arguments);
        return Share(new QueueSettings
        {
            Kind = kind,
            MessageTimeToLiveMs = Limit("x-message-ttl"),
            ExpiresMs = Limit("x-expires"),
            MaxLength = Limit("x-max-length"),
            MaxLengthBytes = Limit("x-max-length-bytes"),
            Overflow = Value("x-overflow") switch
            {
                "reject-publish" => OverflowMode.RejectPublish,
                "reject-publish-dlx" => OverflowMode.RejectPublishDeadLetter,
                _ => OverflowMode.DropHead,
            },
            DeadLetterExchange = Value("x-dead-letter-exchange") as string,
            DeadLetterRoutingKey = Value("x-dead-letter-routing-key") as string,
            WantsAtLeastOnce = Value("x-dead-letter-strategy") is "at-least-once",
            MaxPriority = (int)(Value("x-max-priority") as long? ?? 0),
            SingleActiveConsumer = Value("x-single-active-consumer") is true,
            DeliveryLimit = (int)Limit("x-delivery-limit"),
            MaxAgeMs = Limit("x-max-age"),
            SegmentBytes = (int)Math.Min(Limit("x-stream-max-segment-size-bytes"), int.MaxValue),
            ConsumerTimeoutMs = Limit("x-consumer-timeout"),
            Policy = policy?.Name,
            OperatorPolicy = operatorPolicy?.Name,
        });

        object? Value(string name)
        {
            QueueArgument argument = QueueArgument.All[name];
            if (definition.Arguments.Has(name))
            {
                return definition.Arguments[name];
            }

            return argument.PolicyKey is { } key && AppliesTo(argument, kind) ? policy?.Settings[key] : null;
        }

        long Limit(string name)
        {
            QueueArgument argument = QueueArgument.All[name];
            long smallest = ToNumber(definition.Arguments[name]);
            if (argument.PolicyKey is { } key && AppliesTo(argument, kind))
            {
                smallest = Smaller(smallest, ToNumber(policy?.Settings[key]));
                smallest = Smaller(smallest, ToNumber(operatorPolicy?.Settings[key]));
            }

            return smallest;
        }
    }

    private static bool AppliesTo(QueueArgument argument, QueueKind kind) => (argument.Kinds & (QueueKinds)(1 << (int)kind)) != 0;

    private static long ToNumber(object? value) => value switch
    {
        long number => number,
        string age when MaxAge.TryParse(age, out long ms) => ms,
        _ => -1,
    };

    private static long Smaller(long a, long b) => a < 0 ? b : b < 0 ? a : Math.Min(a, b);

    private static string NameOf(QueueKind kind) => kind switch
    {
        QueueKind.Quorum => "quorum",
        QueueKind.Stream => "stream",
        _ => "classic",
    };

    private static BrokerResult Invalid(string detail) => new(BrokerStatus.InvalidArgument, detail);
}
