using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>Time to live per queue and per message (RabbitMQ's x-message-ttl and the expiration property).</summary>
public sealed class ExpiryTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Queue_ttl_drops_messages_after_it()
    {
        string queue = await QueueAsync(Arguments(("x-message-ttl", 300)));
        await FillAsync(queue, 3);
        await ReadyBecomesAsync(queue, 0);
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Message_expiration_drops_that_message_at_the_head()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "short", new BasicProperties { Expiration = "200" });
        await SendAsync(queue, "long", new BasicProperties { Expiration = "600000" });
        await SendAsync(queue, "ever");
        await EventuallyAsync(async () => await ReadyAsync(queue) == 2, "two left");
        Assert.Equal(["long", "ever"], await GetBodiesAsync(queue, 2));
    }

    [Theory]
    [InlineData(200, "600000")]
    [InlineData(600_000, "200")]
    public async Task Message_and_queue_ttl_the_smaller_wins(int queueTtl, string expiration)
    {
        string queue = await QueueAsync(Arguments(("x-message-ttl", queueTtl)));
        await SendAsync(queue, "x", new BasicProperties { Expiration = expiration });
        await ReadyBecomesAsync(queue, 1);
        await ReadyBecomesAsync(queue, 0);
    }

    [Fact]
    public async Task Queue_ttl_zero_delivers_only_to_waiting_consumers()
    {
        string queue = await QueueAsync(Arguments(("x-message-ttl", 0)));
        IChannel confirming = await OpenTrackingChannelAsync();
        await PublishAsync(confirming, "", queue, "nobody here");
        Assert.Null(await TryGetAsync(Channel, queue));
        IChannel other = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(other, queue, autoAck: true);
        await PublishAsync(confirming, "", queue, "for you");
        Assert.Equal("for you", (await consumer.NextAsync()).Body);
    }

    [Fact]
    public async Task Message_delivered_before_it_expires_stays_with_its_consumer()
    {
        string letters = await QueueAsync();
        string queue = await QueueAsync(Arguments(("x-message-ttl", 300), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", letters)));
        await SendAsync(queue, "held");
        Delivery held = await GetAsync(queue, autoAck: false);
        await SendAsync(queue, "expires");
        Assert.Equal("expires", (await GetAsync(letters)).Body);
        await Channel.BasicRejectAsync(held.Tag, requeue: false);
        Delivery letter = await GetAsync(letters);
        Assert.Equal(("held", "rejected"), (letter.Body, letter.Header("x-first-death-reason")));
    }

    [Fact]
    public async Task Message_requeued_keeps_its_original_expiry()
    {
        string queue = await QueueAsync(Arguments(("x-message-ttl", 1000)));
        await SendAsync(queue, "x");
        Delivery held = await GetAsync(queue, autoAck: false);
        await Task.Delay(1200, TestContext.Current.CancellationToken);
        await Channel.BasicNackAsync(held.Tag, false, requeue: true);
        Assert.Equal(0u, await ReadyAsync(queue));
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Message_expired_is_never_delivered_late()
    {
        string queue = await QueueAsync(Arguments(("x-message-ttl", 150)));
        for (int i = 0; i < 50; i++)
        {
            await SendAsync(queue, "old");
        }

        await Task.Delay(400, TestContext.Current.CancellationToken);
        IChannel other = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(other, queue, autoAck: true);
        await SendAsync(queue, "new");
        Assert.Equal("new", (await consumer.NextAsync()).Body);
    }

    [Fact]
    public async Task Delayed_exchange_holds_a_message_for_x_delay()
    {
        SkipOnRabbitMq("the x-delayed-message plugin is not part of RabbitMQ");
        string exchange = await ExchangeAsync("x-delayed-message", Arguments(("x-delayed-type", "direct")));
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, exchange, "k");
        IChannel confirming = await OpenTrackingChannelAsync();
        await PublishAsync(confirming, exchange, "k", "late", new BasicProperties { Headers = Arguments(("x-delay", 600)) });
        await PublishAsync(confirming, exchange, "k", "soon", new BasicProperties { Headers = Arguments(("x-delay", 200)) });
        await PublishAsync(confirming, exchange, "k", "now");
        Assert.Equal(["now", "soon", "late"], await GetBodiesAsync(queue, 3));
    }

    [Fact]
    public async Task Delayed_exchange_without_a_delayed_type_is_406()
    {
        SkipOnRabbitMq("the x-delayed-message plugin is not part of RabbitMQ");
        await ClosesChannelAsync(406, () => Channel.ExchangeDeclareAsync(Name("x"), "x-delayed-message"));
    }
}
