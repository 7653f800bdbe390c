using Sluice.Broker.Definitions;

namespace Sluice.Broker.Tests.Definitions;

/// <summary>Texts as RabbitMQ 3.10 gives them.</summary>
public sealed class EquivalenceTests
{
    [Fact]
    public void Queue_properties_must_be_the_same()
    {
        Expect("inequivalent arg 'durable' for queue 'e' in vhost '/': received 'false' but current is 'true'", Queue(), Queue() with { Durable = false });
        Expect("inequivalent arg 'auto_delete' for queue 'e' in vhost '/': received 'true' but current is 'false'", Queue(), Queue() with { AutoDelete = true });
        BrokerResult locked = Equivalence.Check(Queue(), Queue() with { Exclusive = true }, "/");
        Assert.Equal(BrokerStatus.Locked, locked.Status);
        Assert.StartsWith("cannot obtain exclusive access to locked queue 'e' in vhost '/'. It could be", locked.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Queue_arguments_must_be_the_same()
    {
        Expect(null, Queue(("x-message-ttl", 5L)), Queue(("x-message-ttl", 5L)));
        Expect("inequivalent arg 'x-message-ttl' for queue 'e' in vhost '/': received the value '5' of type 'signedint' but current is none", Queue(), Queue(("x-message-ttl", 5L)));
        Expect("inequivalent arg 'x-message-ttl' for queue 'e' in vhost '/': received none but current is the value '5' of type 'signedint'", Queue(("x-message-ttl", 5L)), Queue());
        Expect("inequivalent arg 'x-message-ttl' for queue 'e' in vhost '/': received '6' but current is '5'", Queue(("x-message-ttl", 5L)), Queue(("x-message-ttl", 6L)));
        Expect("inequivalent arg 'x-dead-letter-exchange' for queue 'e' in vhost '/': received 'b' but current is 'a'", Queue(("x-dead-letter-exchange", "a")), Queue(("x-dead-letter-exchange", "b")));
        Expect("inequivalent arg 'x-single-active-consumer' for queue 'e' in vhost '/': received the value 'false' of type 'bool' but current is none", Queue(), Queue(("x-single-active-consumer", false)));
        Expect("inequivalent arg 'x-queue-mode' for queue 'e' in vhost '/': received the value 'default' of type 'longstr' but current is none", Queue(), Queue(("x-queue-mode", "default")));
    }

    [Fact]
    public void No_type_is_the_classic_type()
    {
        Expect(null, Queue(), Queue(("x-queue-type", "classic")));
        Expect(null, Queue(("x-queue-type", "classic")), Queue());
        Expect("inequivalent arg 'x-queue-type' for queue 'e' in vhost '/': received the value 'quorum' of type 'longstr' but current is none", Queue(), Queue(("x-queue-type", "quorum")));
        Expect("inequivalent arg 'x-queue-type' for queue 'e' in vhost '/': received none but current is the value 'quorum' of type 'longstr'", Queue(("x-queue-type", "quorum")), Queue());
    }

    [Fact]
    public void Exchanges_must_be_the_same()
    {
        Expect(null, Exchange(), Exchange());
        Expect("inequivalent arg 'type' for exchange 'ex' in vhost '/': received 'topic' but current is 'direct'", Exchange(), Exchange() with { Type = "topic" });
        Expect("inequivalent arg 'durable' for exchange 'ex' in vhost '/': received 'true' but current is 'false'", Exchange(), Exchange() with { Durable = true });
        Expect("inequivalent arg 'auto_delete' for exchange 'ex' in vhost '/': received 'true' but current is 'false'", Exchange(), Exchange() with { AutoDelete = true });
        Expect("inequivalent arg 'internal' for exchange 'ex' in vhost '/': received 'true' but current is 'false'", Exchange(), Exchange() with { Internal = true });
        Expect("inequivalent arg 'alternate-exchange' for exchange 'ex' in vhost '/': received the value 'b' of type 'longstr' but current is none", Exchange(), Exchange(("alternate-exchange", "b")));
        Expect("inequivalent arg 'alternate-exchange' for exchange 'ex' in vhost '/': received 'b' but current is 'a'", Exchange(("alternate-exchange", "a")), Exchange(("alternate-exchange", "b")));
        Expect("inequivalent arg 'alternate-exchange' for exchange 'ex' in vhost '/': received none but current is the value 'a' of type 'longstr'", Exchange(("alternate-exchange", "a")), Exchange());
    }

    private static void Expect(string? problem, QueueDefinition current, QueueDefinition received) => Expect(problem, Equivalence.Check(current, received, "/"));

    private static void Expect(string? problem, ExchangeDefinition current, ExchangeDefinition received) => Expect(problem, Equivalence.Check(current, received, "/"));

    private static void Expect(string? problem, BrokerResult result)
    {
        Assert.Equal(problem ?? "", result.Detail ?? "");
        Assert.Equal(problem is null ? BrokerStatus.Ok : BrokerStatus.Differs, result.Status);
    }

    private static QueueDefinition Queue(params (string Name, object? Value)[] arguments) => new("e", true, false, false, new(arguments.ToDictionary(a => a.Name, a => a.Value)));

    private static ExchangeDefinition Exchange(params (string Name, object? Value)[] arguments) => new("ex", "direct", false, false, false, new(arguments.ToDictionary(a => a.Name, a => a.Value)));
}
