using Sluice.Broker.Definitions;

namespace Sluice.Broker.Tests.Definitions;

/// <summary>What is taken and refused is proven on RabbitMQ 3.10 but where the name says otherwise; what is wrong with a value is said in our own words.</summary>
public sealed class QueueArgumentsTests
{
    [Theory]
    [InlineData("x-message-ttl", -1, "expected at least 0, got -1")]
    [InlineData("x-message-ttl", 0, null)]
    [InlineData("x-message-ttl", 315_360_000_000, null)]
    [InlineData("x-message-ttl", 315_360_000_001, "expected at most 315360000000, got 315360000001")]
    [InlineData("x-message-ttl", "5", "expected an integer, got '5'")]
    [InlineData("x-message-ttl", true, "expected an integer, got true")]
    [InlineData("x-message-ttl", null, "expected an integer, got void")]
    [InlineData("x-expires", 0, "expected at least 1, got 0")]
    [InlineData("x-expires", 1, null)]
    [InlineData("x-max-length", 0, null)]
    [InlineData("x-max-length", 1L << 40, null)]
    [InlineData("x-max-length", -1, "expected at least 0, got -1")]
    [InlineData("x-max-length-bytes", 5, null)]
    [InlineData("x-max-priority", 0, null)]
    [InlineData("x-max-priority", 255, null)]
    [InlineData("x-max-priority", 256, "expected at most 255, got 256")]
    [InlineData("x-dead-letter-exchange", "", null)]
    [InlineData("x-dead-letter-exchange", 5, "expected a string, got 5")]
    [InlineData("x-overflow", "reject-publish-dlx", null)]
    [InlineData("x-overflow", "foo", "expected drop-head, reject-publish or reject-publish-dlx, got 'foo'")]
    [InlineData("x-overflow", 1, "expected drop-head, reject-publish or reject-publish-dlx, got 1")]
    [InlineData("x-queue-mode", "lazy", null)]
    [InlineData("x-queue-mode", "foo", "expected default or lazy, got 'foo'")]
    [InlineData("x-queue-version", 2, null)]
    [InlineData("x-queue-version", 3, "expected 1 or 2, got 3")]
    [InlineData("x-queue-version", "a", "expected an integer, got 'a'")]
    [InlineData("x-queue-type", "foo", "expected classic, quorum or stream, got 'foo'")]
    [InlineData("x-queue-type", 5, "expected classic, quorum or stream, got 5")]
    [InlineData("x-single-active-consumer", false, null)]
    [InlineData("x-single-active-consumer", "foo", "expected true or false, got 'foo'")]
    [InlineData("x-queue-master-locator", "min-masters", null)]
    public void Values_are_checked(string name, object? value, string? problem) =>
        Expect(problem is null ? null : $"invalid arg '{name}' for queue 'q' in vhost '/': {problem}", Classic((name, value)));

    [Theory]
    [InlineData("x-consumer-timeout", 60_000, null)] // from RabbitMQ 3.12 on; 3.10 ignores it
    [InlineData("x-consumer-timeout", 0, "expected at least 1, got 0")]
    [InlineData("x-unknown", 1, "it is not known here, so it would have no effect")]
    [InlineData("x-ha-policy", "all", "it is not known here, so it would have no effect")]
    [InlineData("anything", "all", "it is not known here, so it would have no effect")]
    public void What_RabbitMQ_ignores_is_honoured_or_refused(string name, object value, string? problem) =>
        Expect(problem is null ? null : $"invalid arg '{name}' for queue 'q' in vhost '/': {problem}", Classic((name, value)));

    [Theory]
    [InlineData("classic", "x-delivery-limit x-queue-leader-locator x-dead-letter-strategy x-max-in-memory-length x-max-in-memory-bytes x-quorum-initial-group-size x-initial-cluster-size x-max-age x-stream-max-segment-size-bytes")]
    [InlineData("quorum", "x-max-priority x-queue-mode x-queue-version x-queue-master-locator x-initial-cluster-size x-max-age x-stream-max-segment-size-bytes")]
    [InlineData("stream", "x-message-ttl x-expires x-max-length x-max-priority x-delivery-limit x-overflow x-queue-mode x-queue-version x-queue-master-locator x-dead-letter-exchange x-dead-letter-strategy x-single-active-consumer x-max-in-memory-length x-max-in-memory-bytes x-quorum-initial-group-size")]
    public void Each_kind_takes_its_own_arguments(string type, string refused)
    {
        foreach ((string name, object value) in Valid)
        {
            bool isRefused = refused.Split(' ').Contains(name);
            Expect(isRefused ? $"invalid arg '{name}' for queue 'q' in vhost '/' of queue type {type}" : null, Of(type, (name, value)));
        }
    }

    [Theory]
    [InlineData("1h", true)]
    [InlineData("7D", true)]
    [InlineData("1Y", true)]
    [InlineData("5", false)]
    [InlineData("1W", false)]
    [InlineData("0s", false)]
    [InlineData("1h30m", false)]
    [InlineData("1ms", false)]
    [InlineData("", false)]
    [InlineData("-1s", false)]
    [InlineData("h", false)]
    public void The_age_of_a_stream_has_a_unit(string age, bool isValid) =>
        Expect(isValid ? null : $"invalid arg 'x-max-age' for queue 'q' in vhost '/': expected a number and one of the units Y, M, D, h, m, s, such as '7D', got '{age}'", Of("stream", ("x-max-age", age)));

    [Theory]
    [InlineData("quorum", false, false, false, "non-durable")]
    [InlineData("quorum", true, true, false, "exclusive-owner")]
    [InlineData("stream", true, false, true, "auto-delete")]
    [InlineData("classic", false, true, true, null)]
    public void Replicated_kinds_are_durable_and_shared(string type, bool durable, bool exclusive, bool autoDelete, string? property)
    {
        QueueDefinition definition = Of(type) with { Durable = durable, Exclusive = exclusive, AutoDelete = autoDelete };
        Expect(property is null ? null : $"invalid property '{property}' for queue 'q' in vhost '/' of queue type {type}", definition);
    }

    [Fact]
    public void A_dead_letter_key_needs_an_exchange()
    {
        Expect("invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': it has no effect without x-dead-letter-exchange", Classic(("x-dead-letter-routing-key", "k")));
        Expect(null, Classic(("x-dead-letter-routing-key", "k"), ("x-dead-letter-exchange", "")));
    }

    [Fact]
    public void Arguments_become_settings()
    {
        Assert.Equal(
            new QueueSettings
            {
                MessageTimeToLiveMs = 1,
                ExpiresMs = 2,
                MaxLength = 3,
                MaxLengthBytes = 4,
                Overflow = OverflowMode.RejectPublishDeadLetter,
                DeadLetterExchange = "",
                DeadLetterRoutingKey = "k",
                MaxPriority = 5,
                SingleActiveConsumer = true,
                ConsumerTimeoutMs = 6,
            },
            QueueArguments.Resolve(
                Classic(("x-message-ttl", 1L), ("x-expires", 2L), ("x-max-length", 3L), ("x-max-length-bytes", 4L), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", ""),
                    ("x-dead-letter-routing-key", "k"), ("x-max-priority", 5L), ("x-single-active-consumer", true), ("x-consumer-timeout", 6L)),
                null,
                null));
        Assert.Equal(
            new QueueSettings { Kind = QueueKind.Stream, MaxLengthBytes = 4, MaxAgeMs = 2 * 86_400_000L, SegmentBytes = int.MaxValue },
            QueueArguments.Resolve(Of("stream", ("x-max-length-bytes", 4L), ("x-max-age", "2D"), ("x-stream-max-segment-size-bytes", 3_000_000_000L)), null, null));
        Assert.Equal(
            new QueueSettings { Kind = QueueKind.Quorum, DeliveryLimit = 0 },
            QueueArguments.Resolve(Of("quorum", ("x-delivery-limit", 0L)), null, null));
        Assert.Equal(new QueueSettings(), QueueArguments.Resolve(Classic(), null, null));
    }

    [Fact]
    public void Of_limits_the_smallest_counts_and_of_the_rest_the_argument()
    {
        PolicyDefinition policy = Policy(false, ("message-ttl", 50L), ("max-length", 10L), ("overflow", "reject-publish"), ("dead-letter-exchange", "byPolicy"), ("dead-letter-routing-key", "policyKey"), ("delivery-limit", 3L));
        PolicyDefinition operatorPolicy = Policy(true, ("message-ttl", 70L), ("max-length", 5L), ("expires", 9L));
        Assert.Equal(
            new QueueSettings
            {
                MessageTimeToLiveMs = 20,
                ExpiresMs = 9,
                MaxLength = 5,
                Overflow = OverflowMode.DropHead,
                DeadLetterExchange = "byArgument",
                DeadLetterRoutingKey = "policyKey",
                Policy = "p",
                OperatorPolicy = "p",
            },
            QueueArguments.Resolve(Classic(("x-message-ttl", 20L), ("x-max-length", 7L), ("x-overflow", "drop-head"), ("x-dead-letter-exchange", "byArgument")), policy, operatorPolicy));
        Assert.Equal(
            new QueueSettings { MessageTimeToLiveMs = 50, MaxLength = 10, Overflow = OverflowMode.RejectPublish, DeadLetterExchange = "byPolicy", DeadLetterRoutingKey = "policyKey", Policy = "p" },
            QueueArguments.Resolve(Classic(), policy, null));
        Assert.Equal(new QueueSettings { Kind = QueueKind.Stream, Policy = "p" }, QueueArguments.Resolve(Of("stream"), policy, null));
    }

    private static readonly (string Name, object Value)[] Valid =
    [
        ("x-message-ttl", 5L), ("x-expires", 5L), ("x-max-length", 5L), ("x-max-length-bytes", 5L), ("x-max-priority", 5L), ("x-delivery-limit", 5L), ("x-consumer-timeout", 5L),
        ("x-overflow", "drop-head"), ("x-queue-mode", "lazy"), ("x-queue-version", 1L), ("x-queue-master-locator", "random"), ("x-queue-leader-locator", "balanced"),
        ("x-dead-letter-exchange", "d"), ("x-dead-letter-strategy", "at-least-once"), ("x-single-active-consumer", true), ("x-max-in-memory-length", 5L), ("x-max-in-memory-bytes", 5L),
        ("x-quorum-initial-group-size", 3L), ("x-initial-cluster-size", 3L), ("x-max-age", "1h"), ("x-stream-max-segment-size-bytes", 5L),
    ];

    private static PolicyDefinition Policy(bool isOperator, params (string Name, object? Value)[] settings) => new("p", ".*", "all", 0, Args(settings), isOperator);

    private static QueueDefinition Classic(params (string Name, object? Value)[] arguments) => new("q", true, false, false, Args(arguments));

    private static QueueDefinition Of(string type, params (string Name, object? Value)[] arguments) => Classic([("x-queue-type", type), .. arguments]);

    private static Arguments Args((string Name, object? Value)[] arguments) =>
        new(arguments.ToDictionary(argument => argument.Name, argument => argument.Value is int number ? (long)number : argument.Value));

    private static void Expect(string? problem, QueueDefinition definition)
    {
        BrokerResult result = QueueArguments.Check(definition, "/");
        Assert.Equal(problem ?? "", result.Detail ?? "");
        Assert.Equal(problem is null ? BrokerStatus.Ok : BrokerStatus.InvalidArgument, result.Status);
    }
}
