using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>x-share-group: consumers compete for the messages of a stream, which keeps them all the same (docs/protocols/amqp-0-9-1.md).</summary>
public sealed class ShareGroupTests(BrokerFixture broker) : ConformanceTest(broker)
{
    private const int InFlightMax = 2000, DeliveriesMax = 5;

    private readonly string _group = Name("group");

    public override async ValueTask InitializeAsync()
    {
        SkipOnRabbitMq("share groups are Sluice's own");
        await base.InitializeAsync();
    }

    [Fact]
    public async Task Each_message_goes_to_one_consumer_of_the_group()
    {
        string stream = await StreamAsync(0);
        (IChannel first, TestConsumer one) = await JoinAsync(stream, prefetch: 1);
        (IChannel second, TestConsumer other) = await JoinAsync(stream, prefetch: 1);
        await FillAsync(stream, 2);
        Delivery a = await one.NextAsync(), b = await other.NextAsync();
        Assert.Equal(["0", "1"], new[] { a.Body, b.Body }.Order());
        Assert.False(a.Redelivered || b.Redelivered);
        Assert.DoesNotContain("x-delivery-count", a.Headers.Keys);
        Assert.Equal(a.Body, $"{a.Headers["x-stream-offset"]}");
        await FillAsync(stream, 20);
        await first.BasicAckAsync(a.Tag, false);
        await second.BasicAckAsync(b.Tag, false);
        var got = new List<string>();
        foreach ((IChannel channel, TestConsumer consumer) in Enumerable.Repeat(new[] { (first, one), (second, other) }, 10).SelectMany(static both => both))
        {
            Delivery delivery = await consumer.NextAsync();
            got.Add($"{delivery.Headers["x-stream-offset"]}");
            await channel.BasicAckAsync(delivery.Tag, false);
        }

        Assert.Equal(Enumerable.Range(2, 20), got.Select(int.Parse).Order());
    }

    [Fact]
    public async Task Every_group_gets_every_message_and_the_stream_keeps_them()
    {
        string stream = await StreamAsync(10);
        (IChannel channel, TestConsumer one) = await JoinAsync(stream, offset: "first");
        (_, TestConsumer other) = await JoinAsync(stream, offset: "first", group: Name("group"));
        string[] all = [.. Enumerable.Range(0, 10).Select(static i => $"{i}")];
        IReadOnlyList<Delivery> taken = await one.TakeAsync(10);
        Assert.Equal(all, taken.Select(static d => d.Body));
        Assert.Equal(all, (await other.TakeAsync(10)).Select(static d => d.Body));
        await channel.BasicAckAsync(taken[^1].Tag, multiple: true);
        IChannel reading = await OpenChannelAsync();
        await reading.BasicQosAsync(0, 100, false);
        TestConsumer reader = await TestConsumer.StartAsync(reading, stream, arguments: Arguments(("x-stream-offset", "first")));
        Assert.Equal(all, (await reader.TakeAsync(10)).Select(static d => d.Body));
    }

    [Fact]
    public async Task Ack_is_for_good_and_what_is_not_acked_comes_again_after_the_channel_is_closed()
    {
        string stream = await StreamAsync(6);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first");
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(6);
        await channel.BasicAckAsync(got[1].Tag, multiple: true);
        await channel.BasicAckAsync(got[4].Tag, multiple: false);
        await channel.CloseAsync();
        (_, TestConsumer next) = await JoinAsync(stream, offset: "first");
        Assert.Equal([("2", true, "1"), ("3", true, "1"), ("5", true, "1")], (await next.TakeAsync(3)).Select(Told));
    }

    [Fact]
    public async Task Connection_that_ends_gives_back_what_it_had_at_once()
    {
        string stream = await StreamAsync(4);
        (_, TestConsumer waiting) = await JoinAsync(stream, offset: "first", prefetch: 10);
        await waiting.TakeAsync(4);
        IConnection dying = await ConnectAsync();
        IChannel channel = await dying.CreateChannelAsync();
        await channel.BasicQosAsync(0, 10, false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-share-group", _group), ("x-priority", 5)));
        await FillAsync(stream, 3);
        Assert.Equal(["0", "1", "2"], (await consumer.TakeAsync(3)).Select(static d => d.Body));
        await dying.CloseAsync();
        Assert.Equal([("0", true, "1"), ("1", true, "1"), ("2", true, "1")], (await waiting.TakeAsync(3)).Select(Told));
    }

    [Fact]
    public async Task Nack_with_requeue_releases_with_the_deliveries_counted_until_there_were_too_many()
    {
        string stream = await StreamAsync(2);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first", prefetch: 1);
        for (int i = 0; i < DeliveriesMax; i++)
        {
            Delivery got = await consumer.NextAsync();
            Assert.Equal(("0", i > 0, i == 0 ? null : $"{i}"), Told(got));
            await channel.BasicNackAsync(got.Tag, false, requeue: true);
        }

        Assert.Equal(("1", false, null), Told(await consumer.NextAsync()));
    }

    [Fact]
    public async Task What_is_released_goes_to_whoever_takes_it_first()
    {
        string stream = await StreamAsync(1);
        (IChannel first, TestConsumer one) = await JoinAsync(stream, offset: "first", prefetch: 1);
        Delivery got = await one.NextAsync();
        (IChannel second, TestConsumer other) = await JoinAsync(stream, arguments: ("x-priority", 1));
        await first.BasicRejectAsync(got.Tag, requeue: true);
        Delivery again = await other.NextAsync();
        Assert.Equal(("0", true, "1"), Told(again));
        await second.BasicAckAsync(again.Tag, false);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reject_without_requeue_gives_the_message_up_for_the_group(bool nack)
    {
        string stream = await StreamAsync(2);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first");
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(2);
        if (nack)
        {
            await channel.BasicNackAsync(got[0].Tag, multiple: false, requeue: false);
        }
        else
        {
            await channel.BasicRejectAsync(got[0].Tag, requeue: false);
        }

        await channel.CloseAsync();
        (_, TestConsumer next) = await JoinAsync(stream);
        Assert.Equal(("1", true, "1"), Told(await next.NextAsync()));
        Assert.Equal(2u, await ReadyAsync(stream));
    }

    [Fact]
    public async Task Cancelled_consumer_may_still_settle_what_it_has()
    {
        string stream = await StreamAsync(4);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first", prefetch: 3);
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(3);
        await channel.BasicCancelAsync(consumer.Tag);
        (_, TestConsumer next) = await JoinAsync(stream, prefetch: 10);
        Assert.Equal("3", (await next.NextAsync()).Body);
        await channel.BasicAckAsync(got[0].Tag, false);
        await channel.BasicNackAsync(got[1].Tag, false, requeue: true);
        Assert.Equal(("1", true, "1"), Told(await next.NextAsync()));
        await channel.CloseAsync();
        Assert.Equal(("2", true, "1"), Told(await next.NextAsync()));
    }

    [Fact]
    public async Task Position_stays_when_nobody_is_there()
    {
        string stream = await StreamAsync(2);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first");
        await channel.BasicAckAsync((await consumer.TakeAsync(2))[1].Tag, multiple: true);
        await channel.CloseAsync();
        await FillAsync(stream, 2);

        // The offset counts for a new group alone.
        (_, consumer) = await JoinAsync(stream, offset: "first");
        Assert.Equal(["2", "3"], (await consumer.TakeAsync(2)).Select(static d => $"{d.Headers["x-stream-offset"]}"));
    }

    [Theory]
    [InlineData(null, 5)]
    [InlineData("next", 5)]
    [InlineData("first", 0)]
    [InlineData("1h", 0)]
    [InlineData(3, 3)]
    public async Task New_group_begins_where_the_first_consumer_says_or_at_the_end(object? offset, int first)
    {
        string stream = await StreamAsync(5);
        (_, TestConsumer consumer) = await JoinAsync(stream, offset: offset);
        await SendAsync(stream, "new");
        Assert.Equal($"{first}", $"{(await consumer.NextAsync()).Headers["x-stream-offset"]}");
    }

    [Fact]
    public async Task Prefetch_and_the_limit_of_what_is_in_flight_hold()
    {
        string stream = await StreamAsync(InFlightMax + 500);
        (IChannel channel, TestConsumer few) = await JoinAsync(stream, offset: "first", prefetch: 10);
        IReadOnlyList<Delivery> ten = await few.TakeAsync(10);
        (IChannel another, TestConsumer many) = await JoinAsync(stream, prefetch: 5000);
        IReadOnlyList<Delivery> rest = await many.TakeAsync(InFlightMax - 10);
        TestConsumer reader = await TestConsumer.StartAsync(another, stream, arguments: Arguments(("x-stream-offset", "first")));
        await reader.TakeAsync(InFlightMax + 500);
        Assert.Equal((10, InFlightMax - 10), (few.Received, many.Received));
        Assert.Equal(Enumerable.Range(0, InFlightMax), ten.Concat(rest).Select(static d => int.Parse(d.Body)).Order());

        // The start of the group moves over what is done from the beginning on.
        await another.BasicAckAsync(rest[^1].Tag, multiple: true);
        await channel.BasicAckAsync(ten[^1].Tag, multiple: true);
        Assert.Equal(500, (await many.TakeAsync(490)).Count + (await few.TakeAsync(10)).Count);
    }

    [Fact]
    public async Task Consumers_of_higher_priority_are_served_first()
    {
        string stream = await StreamAsync(0);
        (_, TestConsumer low) = await JoinAsync(stream, prefetch: 10);
        (_, TestConsumer high) = await JoinAsync(stream, prefetch: 3, arguments: ("x-priority", 1));
        await FillAsync(stream, 5);
        Assert.Equal(["0", "1", "2"], (await high.TakeAsync(3)).Select(static d => d.Body));
        Assert.Equal(["3", "4"], (await low.TakeAsync(2)).Select(static d => d.Body));
    }

    [Fact]
    public async Task Stream_counts_the_consumers_of_its_groups_and_cancels_them_when_it_is_deleted()
    {
        string stream = await StreamAsync(1);
        (_, TestConsumer consumer) = await JoinAsync(stream, offset: "first");
        await consumer.NextAsync();
        Assert.Equal(1u, (await Channel.QueueDeclarePassiveAsync(stream)).ConsumerCount);
        await ClosesChannelAsync(406, () => Channel.QueueDeleteAsync(stream, ifUnused: true, ifEmpty: false));
        await Channel.QueueDeleteAsync(stream);
        await consumer.Cancelled;
        Assert.True(Connection.IsOpen);
    }

    [Fact]
    public async Task Stream_of_the_same_name_as_a_deleted_one_is_another()
    {
        string stream = await StreamAsync(3);
        (IChannel channel, TestConsumer consumer) = await JoinAsync(stream, offset: "first");
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(3);
        await Channel.QueueDeleteAsync(stream);
        await consumer.Cancelled;
        await Channel.QueueDeclareAsync(stream, true, false, false, Arguments(("x-queue-type", "stream")));
        await FillAsync(stream, 3);
        await channel.BasicAckAsync(got[^1].Tag, multiple: true);
        TestConsumer again = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-share-group", _group), ("x-stream-offset", "first")));
        Assert.Equal([("0", false, null), ("1", false, null), ("2", false, null)], (await again.TakeAsync(3)).Select(Told));
    }

    [Fact]
    public async Task Exclusive_reader_of_the_stream_and_share_groups_keep_each_other_out()
    {
        string stream = await StreamAsync(1);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 1, false);
        TestConsumer alone = await TestConsumer.StartAsync(channel, stream, exclusive: true);
        await RefusedAsync(403, stream, ("x-share-group", _group));
        await channel.BasicCancelAsync(alone.Tag);
        await JoinAsync(stream);
        await ClosesChannelAsync(channel, 403, () => TestConsumer.StartAsync(channel, stream, exclusive: true));
    }

    [Fact]
    public async Task Without_prefetch_406_and_with_no_ack_540()
    {
        string stream = await StreamAsync(1);
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, stream, arguments: Arguments(("x-share-group", _group))));
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 1, false);
        IConnection connection = await ConnectAsync();
        IChannel other = await connection.CreateChannelAsync();
        await other.BasicQosAsync(0, 1, false);
        await ClosesConnectionAsync(connection, 540, () => TestConsumer.StartAsync(other, stream, autoAck: true, arguments: Arguments(("x-share-group", _group))));
        await ClosesChannelAsync(channel, 406, () => TestConsumer.StartAsync(channel, stream, exclusive: true, arguments: Arguments(("x-share-group", _group))));
    }

    [Fact]
    public async Task Global_prefetch_is_enough()
    {
        string stream = await StreamAsync(3);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 2, global: true);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-share-group", _group), ("x-stream-offset", "first")));
        await channel.BasicAckAsync((await consumer.TakeAsync(2))[0].Tag, false);
        Assert.Equal("2", (await consumer.NextAsync()).Body);
    }

    [Theory]
    [InlineData("")]
    [InlineData(7)]
    [InlineData(null)]
    [InlineData(true)]
    public async Task Group_that_is_no_name_is_406(object? group) => await RefusedAsync(406, await StreamAsync(0), ("x-share-group", group));

    [Theory]
    [InlineData("x-stream-offset", "sometime")]
    [InlineData("x-stream-offset", -1)]
    [InlineData("x-stream-filter", "a")]
    [InlineData("x-priority", "high")]
    public async Task Arguments_that_make_no_sense_are_406(string key, object value) => await RefusedAsync(406, await StreamAsync(0), ("x-share-group", _group), (key, value));

    [Theory]
    [InlineData("classic")]
    [InlineData("quorum")]
    public async Task Queues_have_no_share_groups_406(string type)
    {
        string queue = await DurableQueueAsync(Arguments(("x-queue-type", type)));
        await RefusedAsync(406, queue, ("x-share-group", _group));
        string own = await QueueAsync();
        await RefusedAsync(406, own, ("x-share-group", _group));
    }

    [Fact]
    public async Task Stream_that_is_not_there_is_404_and_the_brokers_own_topics_are_403()
    {
        await RefusedAsync(404, Name(), ("x-share-group", _group));
        await JoinAsync(await StreamAsync(0));
        await RefusedAsync(403, "__share_group_state", ("x-share-group", _group));
        await RefusedAsync(403, "__consumer_offsets:1", ("x-share-group", _group));
    }

    [Fact]
    public async Task Settlements_of_share_groups_are_no_part_of_transactions_406()
    {
        string stream = await StreamAsync(0);
        (IChannel channel, _) = await JoinAsync(stream);
        await ClosesChannelAsync(channel, 406, () => channel.TxSelectAsync());
        IChannel transactional = await OpenChannelAsync();
        await transactional.BasicQosAsync(0, 1, false);
        await transactional.TxSelectAsync();
        await ClosesChannelAsync(transactional, 406, () => TestConsumer.StartAsync(transactional, stream, arguments: Arguments(("x-share-group", _group))));
    }

    /// <summary>Body, flag and count.</summary>
    private static (string Body, bool Redelivered, string? Count) Told(Delivery delivery) => (delivery.Body, delivery.Redelivered, delivery.Header("x-delivery-count"));

    private async Task<string> StreamAsync(int messages)
    {
        string stream = await DurableQueueAsync(Arguments(("x-queue-type", "stream")));
        await FillAsync(stream, messages);
        return stream;
    }

    /// <summary>A consumer of the test's group, or another, on a channel of its own.</summary>
    private async Task<(IChannel Channel, TestConsumer Consumer)> JoinAsync(string stream, object? offset = null, ushort prefetch = 100, string? group = null, params (string Key, object? Value)[] arguments)
    {
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, prefetch, false);
        Dictionary<string, object?> all = Arguments([("x-share-group", group ?? _group), .. arguments]);
        if (offset is not null)
        {
            all["x-stream-offset"] = offset;
        }

        return (channel, await TestConsumer.StartAsync(channel, stream, arguments: all));
    }

    private async Task RefusedAsync(ushort code, string queue, params (string Key, object? Value)[] arguments)
    {
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 1, false);
        await ClosesChannelAsync(channel, code, () => TestConsumer.StartAsync(channel, queue, arguments: Arguments(arguments)));
    }
}
