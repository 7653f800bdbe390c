using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class ExchangeTypesTests
{
    [Theory]
    [InlineData("direct", "", null)]
    [InlineData("direct", "alternate-exchange=ae", null)]
    [InlineData("x-consistent-hash", "hash-header=h", null)]
    [InlineData("x-consistent-hash", "hash-property=message_id", null)]
    [InlineData("x-delayed-message", "x-delayed-type=topic", null)]
    [InlineData("x-delayed-message", "x-delayed-type=x-consistent-hash,hash-header=h", null)]
    [InlineData("direct", "alternate-exchange=5", "invalid arg 'alternate-exchange' for exchange 'x' in vhost '/': it must be the name of an exchange")]
    [InlineData("direct", "hash-header=h", "only x-consistent-hash")]
    [InlineData("direct", "x-delayed-type=topic", "only x-delayed-message")]
    [InlineData("direct", "x-unheard-of=1", "it is not known")]
    [InlineData("x-consistent-hash", "hash-property=priority", "message_id, correlation_id, timestamp or app_id")]
    [InlineData("x-consistent-hash", "hash-property=message_id,hash-header=h", "not both")]
    [InlineData("x-delayed-message", "", "missing arg 'x-delayed-type'")]
    [InlineData("x-delayed-message", "x-delayed-type=x-delayed-message", "it must be one of")]
    [InlineData("x-delayed-message", "x-delayed-type=topic,hash-header=h", "only x-consistent-hash")]
    public void Declarations_are_checked(string type, string arguments, string? problem)
    {
        (string, object?)[] parsed = [.. arguments.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=')).Select(pair => (pair[0], long.TryParse(pair[1], out long number) ? number : (object)pair[1]))];
        BrokerResult result = ExchangeTypes.Check(new("x", type, true, false, false, RouterExtensions.Args(parsed)), "/");
        Assert.Equal(problem is null ? BrokerStatus.Ok : BrokerStatus.InvalidArgument, result.Status);
        Assert.Contains(problem ?? "", result.Detail ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_type_is_unsupported()
    {
        BrokerResult result = ExchangeTypes.Check(new("x", "x-random", true, false, false, Arguments.Empty), "/");
        Assert.Equal(BrokerStatus.Unsupported, result.Status);
        Assert.Equal("unknown exchange type 'x-random'", result.Detail);
    }

    [Theory]
    [InlineData("all", true)]
    [InlineData("any-with-x", true)]
    [InlineData("none", false)]
    public void Headers_bindings_check_how_to_match(string match, bool valid)
    {
        var definition = new ExchangeDefinition("x", ExchangeTypes.Headers, true, false, false, Arguments.Empty);
        Assert.Equal(valid, ExchangeTypes.CheckBinding(definition, "", RouterExtensions.Args(("x-match", match), ("a", 1L))).IsOk);
        Assert.False(ExchangeTypes.CheckBinding(definition, "", RouterExtensions.Args(("a", 1.5m))).IsOk);
        Assert.False(ExchangeTypes.CheckBinding(definition, "", RouterExtensions.Args(("x-match", 1L))).IsOk);
    }

    [Fact]
    public void Every_virtual_host_has_the_standard_exchanges()
    {
        Assert.Equal(
            ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"],
            ExchangeTypes.Predeclared.Select(exchange => exchange.Name).Order(StringComparer.Ordinal));
        Assert.All(ExchangeTypes.Predeclared, definition =>
        {
            Assert.True(ExchangeTypes.Check(definition, "/").IsOk);
            Assert.True(ExchangeTypes.IsReserved(definition.Name));
            Assert.NotNull(ExchangeTypes.Create(definition).Router);
        });
        Assert.False(ExchangeTypes.IsReserved("orders"));
    }
}
