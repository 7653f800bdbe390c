using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>Which queues a message reaches (AMQP 0-9-1 section 3.1.3, RabbitMQ's exchange-to-exchange bindings and alternate exchanges).</summary>
public sealed class RoutingTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Direct_exchange_matches_the_whole_key()
    {
        string exchange = await ExchangeAsync("direct");
        string queue = await BoundQueueAsync(exchange, "a.b");
        Assert.Equal(["a.b"], await RoutedAsync(exchange, queue, "a", "a.b", "a.b.c", "A.B", ""));
    }

    [Fact]
    public async Task Fanout_exchange_reaches_each_queue_once_whatever_the_keys()
    {
        string exchange = await ExchangeAsync("fanout");
        string one = await BoundQueueAsync(exchange, "x", "y");
        string two = await BoundQueueAsync(exchange, "");
        Assert.Equal(["k"], await RoutedAsync(exchange, one, "k"));
        Assert.Equal(["k", "last"], await RoutedAsync(exchange, two, "last"));
    }

    [Theory]
    [InlineData("*", "a|b")]
    [InlineData("#", "|a|b|a.b|a.b.c|.|a.")]
    [InlineData("a.*", "a.b|a.")]
    [InlineData("a.#", "a|a.b|a.b.c|a.")]
    [InlineData("*.b.*", "a.b.c")]
    [InlineData("#.c", "a.b.c")]
    [InlineData("#.b.#", "b|a.b|a.b.c")]
    [InlineData("a.*.c", "a.b.c")]
    [InlineData("#.#", "|a|b|a.b|a.b.c|.|a.")]
    [InlineData("*.#", "a|b|a.b|a.b.c|.|a.")]
    [InlineData("a.b", "a.b")]
    [InlineData("*.*", "a.b|.|a.")]
    public async Task Topic_exchange_star_is_one_word_and_hash_is_any_number(string pattern, string expected)
    {
        string exchange = await ExchangeAsync("topic");
        string queue = await BoundQueueAsync(exchange, pattern);
        string[] routed = await RoutedAsync(exchange, queue, "", "a", "b", "a.b", "a.b.c", ".", "a.");
        if (pattern is "*" or "*.#")
        {
            // Whether the empty key is one empty word or no word is not said by the specification; RabbitMQ says no word.
            Assert.DoesNotContain("", routed);
        }

        Assert.Equal(expected.Split('|'), routed);
    }

    [Fact]
    public async Task Topic_exchange_delivers_once_per_queue_though_several_patterns_match()
    {
        string exchange = await ExchangeAsync("topic");
        string queue = await BoundQueueAsync(exchange, "#", "a.*", "*.b", "a.b");
        Assert.Equal(["a.b"], await RoutedAsync(exchange, queue, "a.b"));
    }

    [Fact]
    public async Task Topic_exchange_unbind_removes_only_that_pattern()
    {
        string exchange = await ExchangeAsync("topic");
        string queue = await BoundQueueAsync(exchange, "a.#", "b.#");
        await Channel.QueueUnbindAsync(queue, exchange, "a.#");
        Assert.Equal(["b.1"], await RoutedAsync(exchange, queue, "a.1", "b.1"));
    }

    [Theory]
    [InlineData("all", true, false, false)]
    [InlineData("any", true, true, false)]
    [InlineData(null, true, false, false)]
    public async Task Headers_exchange_x_match(string? match, bool both, bool one, bool none)
    {
        string exchange = await ExchangeAsync("headers");
        string queue = await QueueAsync();
        Dictionary<string, object?> arguments = Arguments(("format", "pdf"), ("pages", 3));
        if (match is not null)
        {
            arguments["x-match"] = match;
        }

        await Channel.QueueBindAsync(queue, exchange, "", arguments);
        await PublishAsync(Channel, exchange, "", "both", new BasicProperties { Headers = Arguments(("format", "pdf"), ("pages", 3), ("more", "x")) });
        await PublishAsync(Channel, exchange, "", "one", new BasicProperties { Headers = Arguments(("format", "pdf"), ("pages", 4)) });
        await PublishAsync(Channel, exchange, "", "none", new BasicProperties { Headers = Arguments(("format", "doc")) });
        await PublishAsync(Channel, exchange, "", "bare");
        await SendAsync(queue, "end");
        string[] expected = [.. new[] { (both, "both"), (one, "one"), (none, "none"), (true, "end") }.Where(e => e.Item1).Select(e => e.Item2)];
        Assert.Equal(expected, await GetBodiesAsync(queue, expected.Length));
    }

    [Fact]
    public async Task Headers_exchange_value_types_must_agree_and_void_matches_presence()
    {
        string exchange = await ExchangeAsync("headers");
        string number = await QueueAsync();
        string present = await QueueAsync();
        await Channel.QueueBindAsync(number, exchange, "", Arguments(("n", 1)));
        await Channel.QueueBindAsync(present, exchange, "", Arguments(("n", null)));
        await PublishAsync(Channel, exchange, "", "text", new BasicProperties { Headers = Arguments(("n", "1")) });
        await PublishAsync(Channel, exchange, "", "number", new BasicProperties { Headers = Arguments(("n", 1)) });
        await SendAsync(number, "end");
        await SendAsync(present, "end");
        Assert.Equal(["number", "end"], await GetBodiesAsync(number, 2));
        Assert.Equal(["text", "number", "end"], await GetBodiesAsync(present, 3));
    }

    [Fact]
    public async Task Headers_exchange_ignores_x_headers_unless_with_x()
    {
        string exchange = await ExchangeAsync("headers");
        string plain = await QueueAsync();
        await Channel.QueueBindAsync(plain, exchange, "", Arguments(("x-match", "all"), ("a", "1"), ("x-b", "2")));
        await PublishAsync(Channel, exchange, "", "a only", new BasicProperties { Headers = Arguments(("a", "1")) });
        Assert.Equal("a only", (await GetAsync(plain)).Body);
    }

    [Theory]
    [InlineData("all-with-x", 1)]
    [InlineData("any-with-x", 2)]
    public async Task Headers_exchange_with_x_counts_x_headers_too(string match, int expected)
    {
        string exchange = await ExchangeAsync("headers");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, exchange, "", Arguments(("x-match", match), ("a", "1"), ("x-b", "2")));
        await PublishAsync(Channel, exchange, "", "both", new BasicProperties { Headers = Arguments(("a", "1"), ("x-b", "2")) });
        await PublishAsync(Channel, exchange, "", "x only", new BasicProperties { Headers = Arguments(("x-b", "2")) });
        await SendAsync(queue, "end");
        await ReadyBecomesAsync(queue, (uint)expected + 1);
    }

    [Fact]
    public async Task Headers_exchange_bad_x_match_is_406()
    {
        string exchange = await ExchangeAsync("headers");
        string queue = await QueueAsync();
        await ClosesChannelAsync(406, () => Channel.QueueBindAsync(queue, exchange, "", Arguments(("x-match", "some"))));
    }

    [Fact]
    public async Task Consistent_hash_exchange_spreads_by_key_and_each_key_stays()
    {
        string exchange = await ExchangeAsync("x-consistent-hash");
        string[] queues = [await BoundQueueAsync(exchange, "1"), await BoundQueueAsync(exchange, "1"), await BoundQueueAsync(exchange, "2")];
        const int Keys = 400;
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < Keys; i++)
            {
                await PublishAsync(Channel, exchange, $"key-{i}", $"key-{i}");
            }
        }

        await EventuallyAsync(async () => await ReadyAsync(queues[0]) + await ReadyAsync(queues[1]) + await ReadyAsync(queues[2]) == 2 * Keys, "all routed");
        var home = new Dictionary<string, string>();
        foreach (string queue in queues)
        {
            uint ready = await ReadyAsync(queue);
            Assert.True(ready >= Keys / 10, $"{queue} got only {ready} of {2 * Keys}");
            while (await TryGetAsync(Channel, queue) is { } got)
            {
                Assert.Equal(queue, home.TryAdd(got.Body, queue) ? queue : home[got.Body]);
            }
        }
    }

    [Fact]
    public async Task Default_exchange_routes_by_queue_name()
    {
        string queue = await QueueAsync();
        await PublishAsync(Channel, "", queue, "hello");
        Delivery got = await GetAsync(queue);
        Assert.Equal(("hello", "", queue), (got.Body, got.Exchange, got.RoutingKey));
    }

    [Fact]
    public async Task Default_exchange_cannot_be_bound_403()
    {
        string queue = await QueueAsync();
        await ClosesChannelAsync(403, () => Channel.QueueBindAsync(queue, "", "k"));
        await ClosesChannelAsync(403, () => Channel.QueueUnbindAsync(queue, "", queue));
        await ClosesChannelAsync(403, () => Channel.ExchangeBindAsync("amq.direct", "", "k"));
        await ClosesChannelAsync(403, () => Channel.ExchangeBindAsync("", "amq.direct", "k"));
    }

    [Fact]
    public async Task Queue_bind_to_a_missing_exchange_or_queue_is_404()
    {
        string queue = await QueueAsync();
        await ClosesChannelAsync(404, () => Channel.QueueBindAsync(queue, "conformance.missing", "k"));
        await ClosesChannelAsync(404, () => Channel.QueueBindAsync("conformance.missing", "amq.direct", "k"));
    }

    [Fact]
    public async Task Queue_bind_twice_is_one_binding()
    {
        string exchange = await ExchangeAsync("direct");
        string queue = await BoundQueueAsync(exchange, "k", "k");
        Assert.Equal(["k"], await RoutedAsync(exchange, queue, "k"));
        await Channel.QueueUnbindAsync(queue, exchange, "k");
        await SendAsync(queue, "end");
        await PublishAsync(Channel, exchange, "k", "gone");
        Assert.Equal("end", (await GetAsync(queue)).Body);
        Assert.Equal(0u, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Queue_bind_with_other_arguments_is_another_binding()
    {
        string exchange = await ExchangeAsync("direct");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, exchange, "k", Arguments(("n", 1)));
        await Channel.QueueBindAsync(queue, exchange, "k", Arguments(("n", 2)));
        await Channel.QueueUnbindAsync(queue, exchange, "k", Arguments(("n", 1)));
        Assert.Equal(["k"], await RoutedAsync(exchange, queue, "k"));
    }

    [Fact]
    public async Task Queue_unbind_of_a_missing_binding_is_ok()
    {
        string exchange = await ExchangeAsync("direct");
        string queue = await QueueAsync();
        await Channel.QueueUnbindAsync(queue, exchange, "never bound");
    }

    [Fact]
    public async Task Queue_bind_with_empty_names_means_the_last_declared_queue()
    {
        string exchange = await ExchangeAsync("direct");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync("", exchange, "");
        await PublishAsync(Channel, exchange, queue, "by name");
        Assert.Equal("by name", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Exchange_bind_routes_from_source_to_destination()
    {
        string source = await ExchangeAsync("topic");
        string destination = await ExchangeAsync("direct");
        string queue = await BoundQueueAsync(destination, "a.b", "c.d");
        await Channel.ExchangeBindAsync(destination, source, "a.#");
        Assert.Equal(["a.b"], await RoutedAsync(source, queue, "a.b", "c.d", "a.x"));
        await Channel.ExchangeUnbindAsync(destination, source, "a.#");
        await PublishAsync(Channel, source, "a.b", "unbound");
        await SendAsync(queue, "end");
        Assert.Equal("end", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Exchange_bind_in_a_circle_delivers_once()
    {
        string one = await ExchangeAsync("fanout");
        string two = await ExchangeAsync("fanout");
        await Channel.ExchangeBindAsync(two, one, "");
        await Channel.ExchangeBindAsync(one, two, "");
        string queue = await QueueAsync();
        await Channel.QueueBindAsync(queue, one, "");
        await Channel.QueueBindAsync(queue, two, "");
        Assert.Equal(["k"], await RoutedAsync(one, queue, "k"));
    }

    [Fact]
    public async Task Exchange_bind_to_a_missing_exchange_is_404()
    {
        await ClosesChannelAsync(404, () => Channel.ExchangeBindAsync("conformance.missing", "amq.direct", "k"));
        await ClosesChannelAsync(404, () => Channel.ExchangeBindAsync("amq.direct", "conformance.missing", "k"));
    }

    [Fact]
    public async Task Alternate_exchange_takes_what_was_not_routed()
    {
        string alternate = await ExchangeAsync("fanout");
        string exchange = await ExchangeAsync("direct", Arguments(("alternate-exchange", alternate)));
        string routed = await BoundQueueAsync(exchange, "known");
        string rest = await BoundQueueAsync(alternate, "");
        Assert.Equal(["known"], await RoutedAsync(exchange, routed, "known", "unknown"));
        Delivery got = await GetAsync(rest);
        Assert.Equal((exchange, "unknown"), (got.Exchange, got.RoutingKey));
        Assert.Equal(0u, await ReadyAsync(rest));
    }

    [Fact]
    public async Task Alternate_exchange_that_is_missing_drops_the_message()
    {
        string exchange = await ExchangeAsync("direct", Arguments(("alternate-exchange", "conformance.missing")));
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, exchange, "unknown", "dropped");
    }

    [Fact]
    public async Task Sender_selected_distribution_CC_and_BCC()
    {
        string exchange = await ExchangeAsync("direct");
        string to = await BoundQueueAsync(exchange, "to");
        string cc = await BoundQueueAsync(exchange, "cc");
        string bcc = await BoundQueueAsync(exchange, "bcc");
        var properties = new BasicProperties
        {
            Headers = Arguments(("CC", new List<object?> { "cc" }), ("BCC", new List<object?> { "bcc" })),
        };
        await PublishAsync(Channel, exchange, "to", "copied", properties);
        foreach (string queue in (string[])[to, cc, bcc])
        {
            Delivery got = await GetAsync(queue);
            Assert.Equal("to", got.RoutingKey);
            Assert.True(got.Headers.ContainsKey("CC"));
            Assert.False(got.Headers.ContainsKey("BCC"), "BCC must be taken out before delivery");
        }
    }

    [Fact]
    public async Task Sender_selected_distribution_CC_must_be_a_list_406()
    {
        await ClosesChannelAsync(406, () => PublishAsync(Channel, "amq.direct", "k", "x", new BasicProperties { Headers = Arguments(("CC", "not a list")) }));
    }

    /// <summary>A new exclusive queue bound by each key.</summary>
    private async Task<string> BoundQueueAsync(string exchange, params string[] keys)
    {
        string queue = await QueueAsync();
        foreach (string key in keys)
        {
            await Channel.QueueBindAsync(queue, exchange, key);
        }

        return queue;
    }

    /// <summary>Publishes one message per key and returns the keys of all that the queue holds then.</summary>
    private async Task<string[]> RoutedAsync(string exchange, string queue, params string[] keys)
    {
        foreach (string key in keys)
        {
            await PublishAsync(Channel, exchange, key, key);
        }

        await SendAsync(queue, "the end");
        var routed = new List<string>();
        while ((await GetAsync(queue)).Body is var body && body != "the end")
        {
            routed.Add(body);
        }

        return [.. routed];
    }
}
