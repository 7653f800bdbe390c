using Sluice.Broker.Definitions;

namespace Sluice.Broker.Tests.Definitions;

public sealed class PolicyTests
{
    [Theory]
    [InlineData("message-ttl", 0, null)]
    [InlineData("message-ttl", -5, "-5 is not a valid message-ttl")]
    [InlineData("message-ttl", "5", "5 is not a valid message-ttl")]
    [InlineData("expires", 0, "0 is not a valid expires")]
    [InlineData("max-length", 0, null)]
    [InlineData("max-length-bytes", 5, null)]
    [InlineData("delivery-limit", 0, null)]
    [InlineData("max-age", "1h", null)]
    [InlineData("max-age", "1x", "1x is not a valid max-age")]
    [InlineData("stream-max-segment-size-bytes", 5_000_000_000, "5000000000 is not a valid")]
    [InlineData("overflow", "reject-publish", null)]
    [InlineData("overflow", "zzz", "zzz is not a valid overflow")]
    [InlineData("dead-letter-routing-key", "k", null)]
    [InlineData("dead-letter-strategy", "at-least-once", null)]
    [InlineData("queue-mode", "lazy", null)]
    [InlineData("queue-version", 3, "3 is not a valid queue-version")]
    [InlineData("queue-master-locator", "min-masters", null)]
    [InlineData("alternate-exchange", "ae", null)]
    [InlineData("alternate-exchange", 5, "5 is not a valid alternate exchange name")]
    [InlineData("ha-mode", "all", null)]
    [InlineData("single-active-consumer", true, "single-active-consumer is not a recognised policy setting")]
    [InlineData("max-priority", 5, "max-priority is not a recognised policy setting")]
    [InlineData("unknown", 5, "unknown is not a recognised policy setting")]
    public void Keys_and_values_are_checked(string key, object value, string? problem) => Expect(problem, Make(settings: [(key, value)]));

    [Theory]
    [InlineData("message-ttl", 5, null)]
    [InlineData("expires", 5, null)]
    [InlineData("max-length", 5, null)]
    [InlineData("max-length-bytes", 5, null)]
    [InlineData("delivery-limit", 5, null)]
    [InlineData("overflow", "drop-head", "overflow is not a recognised operator policy setting")]
    [InlineData("max-age", "1h", "max-age is not a recognised operator policy setting")]
    [InlineData("alternate-exchange", "ae", "alternate-exchange is not a recognised operator policy setting")]
    [InlineData("ha-mode", "all", "ha-mode is not a recognised operator policy setting")]
    public void Operator_policies_hold_limits_only(string key, object value, string? problem) => Expect(problem, Make(isOperator: true, settings: [(key, value)]));

    [Fact]
    public void Pattern_target_and_content_are_checked()
    {
        Expect("pattern should be regular expression but is invalid", Make(pattern: "("));
        Expect(null, Make(pattern: @"^(?!amq\.).*"));
        Expect("apply-to 'x' unrecognised", Make(applyTo: "x"));
        Expect("no policy provided", Make(settings: []));
        Expect("needs a name", Make(name: ""));
        Expect("limits queues", Make(applyTo: "exchanges", isOperator: true));
    }

    [Fact]
    public void The_matching_policy_of_the_highest_priority_applies()
    {
        PolicySet set = PolicySet.Empty
            .With(Make("low", "^orders", priority: 1))
            .With(Make("high", "^orders\\.eu", priority: 5))
            .With(Make("b-equal", "^equal", priority: 3))
            .With(Make("a-equal", "^equal", priority: 3))
            .With(Make("negative", ".*", priority: -1));
        Assert.Equal("high", set.ForQueue("orders.eu.1", QueueKind.Classic)!.Name);
        Assert.Equal("low", set.ForQueue("orders.us", QueueKind.Classic)!.Name);
        Assert.Equal("a-equal", set.ForQueue("equal", QueueKind.Classic)!.Name);
        Assert.Equal("negative", set.ForQueue("my.orders", QueueKind.Classic)!.Name);
        Assert.Null(set.OperatorPolicyForQueue("orders.us", QueueKind.Classic));
        Assert.Equal(5, set.Policies.Count);
    }

    [Fact]
    public void Policies_apply_to_what_they_name()
    {
        string[] targets = ["queues", "exchanges", "all", "classic_queues", "quorum_queues", "streams"];
        foreach (string target in targets)
        {
            PolicySet set = PolicySet.Empty.With(Make("p", applyTo: target));
            Assert.Equal(target is "queues" or "all" or "classic_queues", set.ForQueue("n", QueueKind.Classic) is not null);
            Assert.Equal(target is "queues" or "all" or "quorum_queues", set.ForQueue("n", QueueKind.Quorum) is not null);
            Assert.Equal(target is "queues" or "all" or "streams", set.ForQueue("n", QueueKind.Stream) is not null);
            Assert.Equal(target is "exchanges" or "all", set.ForExchange("n") is not null);
        }
    }

    [Fact]
    public void Policies_are_replaced_and_removed_by_name_and_class()
    {
        PolicySet set = PolicySet.Empty.With(Make("p", "^a")).With(Make("p", "^a", isOperator: true)).With(Make("p", "^b"));
        Assert.Null(set.ForQueue("a", QueueKind.Classic));
        Assert.NotNull(set.OperatorPolicyForQueue("a", QueueKind.Classic));
        Assert.Same(set, set.Without("absent", isOperator: false));
        set = set.Without("p", isOperator: true);
        Assert.Null(set.OperatorPolicyForQueue("a", QueueKind.Classic));
        Assert.NotNull(set.ForQueue("b", QueueKind.Classic));
    }

    [Fact]
    public void Look_ahead_works_and_a_pattern_that_runs_away_does_not_match()
    {
        PolicySet set = PolicySet.Empty.With(Make("p", @"^(?!amq\.).*"));
        Assert.NotNull(set.ForQueue("orders", QueueKind.Classic));
        Assert.Null(set.ForQueue("amq.gen-1", QueueKind.Classic));
        PolicySet runaway = PolicySet.Empty.With(Make("p", @"^(?=a)((a|a)*)*b$"));
        Assert.Null(runaway.ForQueue(new string('a', 200), QueueKind.Classic));
    }

    private static void Expect(string? problem, PolicyDefinition policy)
    {
        BrokerResult result = Policies.Check(policy);
        Assert.Equal(problem is null ? BrokerStatus.Ok : BrokerStatus.InvalidArgument, result.Status);
        Assert.Contains(problem ?? "", result.Detail ?? "", StringComparison.Ordinal);
    }

    private static PolicyDefinition Make(string name = "p", string pattern = ".*", string applyTo = "all", int priority = 0, bool isOperator = false, (string Key, object Value)[]? settings = null) =>
        new(name, pattern, applyTo, priority, new((settings ?? [("max-length", 5)]).ToDictionary(s => s.Key, s => s.Value is int number ? (long)number : (object?)s.Value)), isOperator);
}
