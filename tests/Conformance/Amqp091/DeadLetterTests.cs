using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>Dead-lettering (RabbitMQ extension): why, where to, and what x-death says.</summary>
public sealed class DeadLetterTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Rejected_message_is_dead_lettered(bool byNack)
    {
        (string queue, string dead, string exchange) = await QueueWithDeadLettersAsync();
        await SendAsync(queue, "bad", new BasicProperties { MessageId = "m1", Headers = Arguments(("mine", "kept")) });
        Delivery got = await GetAsync(queue, autoAck: false);
        if (byNack)
        {
            await Channel.BasicNackAsync(got.Tag, false, requeue: false);
        }
        else
        {
            await Channel.BasicRejectAsync(got.Tag, requeue: false);
        }

        Delivery letter = await GetAsync(dead);
        Assert.Equal(("bad", exchange, queue, "m1", "kept"), (letter.Body, letter.Exchange, letter.RoutingKey, letter.Properties.MessageId, letter.Header("mine")));
        IDictionary<string, object?> death = Assert.Single(letter.Deaths);
        Assert.Equal(1L, death["count"]);
        Assert.Equal("rejected", Delivery.Text(death["reason"]));
        Assert.Equal(queue, Delivery.Text(death["queue"]));
        Assert.Equal("", Delivery.Text(death["exchange"]));
        Assert.Equal(queue, Delivery.Text(Assert.Single(Assert.IsType<List<object?>>(death["routing-keys"]))));
        Assert.InRange(((AmqpTimestamp)death["time"]!).UnixTime, DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 60);
        Assert.Equal(("rejected", queue, ""), (letter.Header("x-first-death-reason"), letter.Header("x-first-death-queue"), letter.Header("x-first-death-exchange")));
    }

    [Fact]
    public async Task Expired_by_queue_ttl_is_dead_lettered()
    {
        (string queue, string dead, _) = await QueueWithDeadLettersAsync(("x-message-ttl", 100));
        await SendAsync(queue, "old");
        Delivery letter = await GetAsync(dead);
        Assert.Equal("expired", Delivery.Text(Assert.Single(letter.Deaths)["reason"]));
    }

    [Fact]
    public async Task Expired_by_its_own_expiration_loses_it_and_remembers_it_in_x_death()
    {
        (string queue, string dead, _) = await QueueWithDeadLettersAsync();
        await SendAsync(queue, "old", new BasicProperties { Expiration = "100" });
        Delivery letter = await GetAsync(dead);
        IDictionary<string, object?> death = Assert.Single(letter.Deaths);
        Assert.Equal(("expired", "100"), (Delivery.Text(death["reason"]), Delivery.Text(death["original-expiration"])));
        Assert.False(letter.Properties.IsExpirationPresent(), "the expiration must be removed, else it would expire there too");
    }

    [Fact]
    public async Task Dropped_for_length_is_dead_lettered_oldest_first()
    {
        (string queue, string dead, _) = await QueueWithDeadLettersAsync(("x-max-length", 2));
        for (int i = 0; i < 5; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        for (int i = 0; i < 3; i++)
        {
            Delivery letter = await GetAsync(dead);
            Assert.Equal((i.ToString(), "maxlen"), (letter.Body, Delivery.Text(letter.Deaths[0]["reason"])));
        }

        Assert.Equal(["3", "4"], await GetBodiesAsync(queue, 2));
    }

    [Fact]
    public async Task Dead_letter_routing_key_replaces_the_original()
    {
        string exchange = await ExchangeAsync("direct");
        string dead = await QueueAsync();
        await Channel.QueueBindAsync(dead, exchange, "graveyard");
        string queue = await QueueAsync(Arguments(("x-dead-letter-exchange", exchange), ("x-dead-letter-routing-key", "graveyard")));
        await SendAsync(queue, "x");
        await RejectAsync(queue);
        Delivery letter = await GetAsync(dead);
        Assert.Equal("graveyard", letter.RoutingKey);
        Assert.Equal(queue, Delivery.Text(Assert.IsType<List<object?>>(letter.Deaths[0]["routing-keys"])[0]));
    }

    [Fact]
    public async Task Dead_letter_exchange_may_be_the_default_one()
    {
        string dead = await QueueAsync();
        string queue = await QueueAsync(Arguments(("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", dead)));
        await SendAsync(queue, "x");
        await RejectAsync(queue);
        Assert.Equal("x", (await GetAsync(dead)).Body);
    }

    [Fact]
    public async Task Dead_letter_exchange_missing_drops_the_message()
    {
        string queue = await QueueAsync(Arguments(("x-dead-letter-exchange", "conformance.missing")));
        await SendAsync(queue, "x");
        await RejectAsync(queue);
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Requeued_message_is_not_dead_lettered()
    {
        (string queue, string dead, _) = await QueueWithDeadLettersAsync();
        await SendAsync(queue, "x");
        Delivery got = await GetAsync(queue, autoAck: false);
        await Channel.BasicNackAsync(got.Tag, false, requeue: true);
        await GetAsync(queue);
        Assert.Equal(0u, await ReadyAsync(dead));
    }

    [Fact]
    public async Task Nack_multiple_dead_letters_in_order()
    {
        (string queue, string dead, _) = await QueueWithDeadLettersAsync();
        await FillAsync(queue, 4);
        ulong last = 0;
        for (int i = 0; i < 4; i++)
        {
            last = (await GetAsync(queue, autoAck: false)).Tag;
        }

        await Channel.BasicNackAsync(last, multiple: true, requeue: false);
        Assert.Equal(["0", "1", "2", "3"], await GetBodiesAsync(dead, 4));
    }

    [Fact]
    public async Task X_death_counts_repeated_deaths_and_keeps_newest_first()
    {
        // work --rejected--> retry --expired--> work, three times round.
        string work = Name();
        string retry = Name();
        await Channel.QueueDeclareAsync(work, false, true, false, Arguments(("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", retry)));
        await Channel.QueueDeclareAsync(retry, false, true, false, Arguments(("x-message-ttl", 50), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", work)));
        await SendAsync(work, "x");
        for (int round = 1; round <= 3; round++)
        {
            await RejectAsync(work);
        }

        Delivery got = await GetAsync(work);
        Assert.Equal(2, got.Deaths.Count);
        Assert.Equal((retry, "expired", 3L), Summary(got.Deaths[0]));
        Assert.Equal((work, "rejected", 3L), Summary(got.Deaths[1]));
        Assert.Equal(("rejected", work), (got.Header("x-first-death-reason"), got.Header("x-first-death-queue")));
    }

    [Fact]
    public async Task Dead_letter_cycle_without_a_rejection_is_cut()
    {
        string one = Name();
        string two = Name();
        await Channel.QueueDeclareAsync(one, false, true, false, Arguments(("x-message-ttl", 50), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", two)));
        await Channel.QueueDeclareAsync(two, false, true, false, Arguments(("x-message-ttl", 300), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", one)));
        await SendAsync(one, "round and round");
        await ReadyBecomesAsync(two, 1);
        await ReadyBecomesAsync(two, 0);

        // Had it been sent on to the first queue it would be back in the second after 50 ms.
        await Task.Delay(150, TestContext.Current.CancellationToken);
        Assert.Equal((0u, 0u), (await ReadyAsync(one), await ReadyAsync(two)));
    }

    [Fact]
    public async Task Dead_letters_go_through_a_topic_exchange_to_several_queues()
    {
        string exchange = await ExchangeAsync("topic");
        string one = await QueueAsync();
        string two = await QueueAsync();
        await Channel.QueueBindAsync(one, exchange, "#");
        await Channel.QueueBindAsync(two, exchange, "#");
        string queue = await QueueAsync(Arguments(("x-dead-letter-exchange", exchange)));
        await SendAsync(queue, "x");
        await RejectAsync(queue);
        Assert.Equal(("x", "x"), ((await GetAsync(one)).Body, (await GetAsync(two)).Body));
    }

    [Fact]
    public async Task Delivery_limit_of_a_quorum_queue_dead_letters()
    {
        string exchange = await ExchangeAsync("fanout");
        string dead = await QueueAsync();
        await Channel.QueueBindAsync(dead, exchange, "");
        string queue = await DurableQueueAsync(Arguments(("x-queue-type", "quorum"), ("x-delivery-limit", 2), ("x-dead-letter-exchange", exchange)));
        await SendAsync(queue, "poison");
        for (int attempt = 0; attempt <= 2; attempt++)
        {
            Delivery got = await GetAsync(queue, autoAck: false);
            Assert.Equal(attempt > 0, got.Redelivered);
            if (attempt > 0)
            {
                Assert.Equal((long)attempt, Convert.ToInt64(got.Headers["x-delivery-count"]));
            }

            await Channel.BasicNackAsync(got.Tag, false, requeue: true);
        }

        Delivery letter = await GetAsync(dead);
        Assert.Equal((queue, "delivery_limit", 1L), Summary(Assert.Single(letter.Deaths)));
    }

    private static (string? Queue, string? Reason, long Count) Summary(IDictionary<string, object?> death) =>
        (Delivery.Text(death["queue"]), Delivery.Text(death["reason"]), (long)death["count"]!);

    private async Task RejectAsync(string queue)
    {
        Delivery got = await GetAsync(queue, autoAck: false);
        await Channel.BasicRejectAsync(got.Tag, requeue: false);
    }

    private async Task<(string Queue, string Dead, string Exchange)> QueueWithDeadLettersAsync(params (string, object?)[] more)
    {
        string exchange = await ExchangeAsync("fanout");
        string dead = await QueueAsync();
        await Channel.QueueBindAsync(dead, exchange, "");
        string queue = await QueueAsync(Arguments([("x-dead-letter-exchange", exchange), .. more]));
        return (queue, dead, exchange);
    }
}
