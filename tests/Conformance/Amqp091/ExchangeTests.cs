using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>Class exchange: declare, delete, equivalence, the predeclared ones (AMQP 0-9-1 section 3.1.3).</summary>
public sealed class ExchangeTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Theory]
    [InlineData("direct")]
    [InlineData("fanout")]
    [InlineData("topic")]
    [InlineData("headers")]
    [InlineData("x-consistent-hash")]
    public async Task Exchange_declare_of_each_type_and_again_alike(string type)
    {
        string name = await ExchangeAsync(type);
        await Channel.ExchangeDeclareAsync(name, type, durable: false, autoDelete: false);
        await Channel.ExchangeDeclarePassiveAsync(name);
    }

    [Theory]
    [InlineData("amq.direct", "direct")]
    [InlineData("amq.fanout", "fanout")]
    [InlineData("amq.topic", "topic")]
    [InlineData("amq.headers", "headers")]
    [InlineData("amq.match", "headers")]
    public async Task Exchange_predeclared_exists_and_is_durable(string name, string type)
    {
        await Channel.ExchangeDeclarePassiveAsync(name);
        await Channel.ExchangeDeclareAsync(name, type, durable: true, autoDelete: false);
    }

    [Fact]
    public async Task Exchange_declare_with_another_type_is_406()
    {
        string name = await ExchangeAsync("direct");
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.ExchangeDeclareAsync(name, "fanout", durable: false, autoDelete: false));
        Assert.StartsWith($"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}' in vhost '/'", reason.ReplyText);
        Assert.Equal((40, 10), (reason.ClassId, reason.MethodId));
    }

    [Theory]
    [InlineData(true, false, "durable")]
    [InlineData(false, true, "auto_delete")]
    public async Task Exchange_declare_with_other_flags_is_406(bool durable, bool autoDelete, string argument)
    {
        string name = await ExchangeAsync("direct");
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.ExchangeDeclareAsync(name, "direct", durable, autoDelete));
        Assert.StartsWith($"PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange '{name}'", reason.ReplyText);
    }

    [Fact]
    public async Task Exchange_declare_with_another_alternate_exchange_is_406()
    {
        string name = await ExchangeAsync("direct", Arguments(("alternate-exchange", "amq.fanout")));
        await ClosesChannelAsync(406, () => Channel.ExchangeDeclareAsync(name, "direct", false, false, Arguments(("alternate-exchange", "amq.direct"))));
    }

    [Fact]
    public async Task Exchange_declare_passive_of_a_missing_one_is_404()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(404, () => Channel.ExchangeDeclarePassiveAsync("conformance.missing"));
        Assert.Equal("NOT_FOUND - no exchange 'conformance.missing' in vhost '/'", reason.ReplyText);
    }

    [Fact]
    public async Task Exchange_declare_name_beginning_amq_is_reserved_403()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(403, () => Channel.ExchangeDeclareAsync("amq.mine", "direct"));
        Assert.StartsWith("ACCESS_REFUSED", reason.ReplyText);
    }

    [Fact]
    public async Task Exchange_declare_passive_of_the_default_exchange_is_refused_403()
    {
        await ClosesChannelAsync(403, () => Channel.ExchangeDeclareAsync("", "direct", durable: true));
    }

    [Fact]
    public async Task Exchange_declare_of_unknown_type_closes_the_connection_503()
    {
        IConnection connection = await ConnectAsync();
        IChannel channel = await connection.CreateChannelAsync();
        ShutdownEventArgs reason = await ClosesConnectionAsync(connection, 503, () => channel.ExchangeDeclareAsync(Name("x"), "no-such-type"));
        Assert.StartsWith("COMMAND_INVALID", reason.ReplyText);
    }

    [Fact]
    public async Task Exchange_delete_if_unused_with_a_binding_is_406()
    {
        string name = await ExchangeAsync("direct");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, name, "k");
        await ClosesChannelAsync(406, () => Channel.ExchangeDeleteAsync(name, ifUnused: true));
        await Channel.QueueUnbindAsync(queue, name, "k");
        await Channel.ExchangeDeleteAsync(name, ifUnused: true);
        await ClosesChannelAsync(404, () => Channel.ExchangeDeclarePassiveAsync(name));
    }

    [Fact]
    public async Task Exchange_delete_of_a_missing_one_is_ok()
    {
        await Channel.ExchangeDeleteAsync("conformance.missing");
    }

    [Theory]
    [InlineData("amq.topic")]
    [InlineData("")]
    public async Task Exchange_delete_of_a_predeclared_one_is_403(string name)
    {
        await ClosesChannelAsync(403, () => Channel.ExchangeDeleteAsync(name));
    }

    [Fact]
    public async Task Exchange_delete_takes_its_bindings_along()
    {
        string name = await ExchangeAsync("fanout");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, name, "");
        await Channel.ExchangeDeleteAsync(name);
        await Channel.ExchangeDeclareAsync(name, "fanout", durable: false, autoDelete: false);
        await PublishAsync(Channel, name, "", "lost");
        await SendAsync(queue, "marker");
        Assert.Equal("marker", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Exchange_auto_delete_goes_with_its_last_binding()
    {
        string name = await ExchangeAsync("direct", autoDelete: true);
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, name, "a");
        await Channel.QueueBindAsync(queue, name, "b");
        await Channel.QueueUnbindAsync(queue, name, "a");
        await Channel.ExchangeDeclarePassiveAsync(name);
        await Channel.QueueUnbindAsync(queue, name, "b");
        await ClosesChannelAsync(404, () => Channel.ExchangeDeclarePassiveAsync(name));
    }

    [Fact]
    public async Task Exchange_auto_delete_goes_when_its_last_queue_is_deleted()
    {
        string name = await ExchangeAsync("direct", autoDelete: true);
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, name, "a");
        await Channel.QueueDeleteAsync(queue);
        await ClosesChannelAsync(404, () => Channel.ExchangeDeclarePassiveAsync(name));
    }

    [Fact]
    public async Task Exchange_internal_takes_messages_from_exchanges_only_403()
    {
        string source = await ExchangeAsync("fanout");
        string name = Name("x");
        DeleteExchangeAtEnd(name);
        await using RawClient raw = await RawClient.OpenWithChannelAsync(Broker.Address);
        await raw.SendMethodAsync(1, Methods.ExchangeDeclare, w => w.Short(0).ShortString(name).ShortString("fanout").Octet(0b1000).Table());
        await raw.ExpectAsync(1, Methods.ExchangeDeclareOk);
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, name, "");
        await Channel.ExchangeBindAsync(name, source, "");
        await PublishAsync(Channel, source, "", "through");
        Assert.Equal("through", (await GetAsync(queue)).Body);
        ShutdownEventArgs reason = await ClosesChannelAsync(403, () => PublishAsync(Channel, name, "", "direct"));
        Assert.StartsWith("ACCESS_REFUSED", reason.ReplyText);
    }

    [Fact]
    public async Task Exchange_publish_to_a_missing_one_is_404()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(404, () => PublishAsync(Channel, "conformance.missing", "k", "body"));
        Assert.Equal("NOT_FOUND - no exchange 'conformance.missing' in vhost '/'", reason.ReplyText);
        Assert.Equal((60, 40), (reason.ClassId, reason.MethodId));
    }

    [Fact]
    public async Task Exchange_declare_no_wait_is_not_answered()
    {
        string name = Name("x");
        DeleteExchangeAtEnd(name);
        await Channel.ExchangeDeclareAsync(name, "direct", durable: false, autoDelete: false, noWait: true);
        await Channel.ExchangeDeclarePassiveAsync(name);
    }

    [Fact]
    public async Task Exchange_alternate_exchange_must_be_a_string_406()
    {
        await ClosesChannelAsync(406, () => Channel.ExchangeDeclareAsync(Name("x"), "direct", false, false, Arguments(("alternate-exchange", 5))));
    }
}
