using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Conformance.Amqp091;

/// <summary>x-max-length, x-max-length-bytes and x-overflow (RabbitMQ extension).</summary>
public sealed class LengthLimitTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Theory]
    [InlineData(null)]
    [InlineData("drop-head")]
    public async Task Max_length_drops_the_oldest(string? overflow)
    {
        Dictionary<string, object?> arguments = Arguments(("x-max-length", 3));
        if (overflow is not null)
        {
            arguments["x-overflow"] = overflow;
        }

        string queue = await QueueAsync(arguments);
        IChannel channel = await OpenTrackingChannelAsync();
        for (int i = 0; i < 10; i++)
        {
            await PublishAsync(channel, "", queue, i.ToString());
        }

        Assert.Equal(3u, await ReadyAsync(queue));
        Assert.Equal(["7", "8", "9"], await GetBodiesAsync(queue, 3));
    }

    [Fact]
    public async Task Max_length_zero_keeps_nothing_that_no_consumer_takes()
    {
        string queue = await QueueAsync(Arguments(("x-max-length", 0)));
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "", queue, "dropped");
        Assert.Equal(0u, await ReadyAsync(queue));
        IChannel other = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(other, queue, autoAck: true);
        await PublishAsync(channel, "", queue, "taken");
        Assert.Equal("taken", (await consumer.NextAsync()).Body);
    }

    [Fact]
    public async Task Max_length_counts_ready_messages_only()
    {
        string queue = await QueueAsync(Arguments(("x-max-length", 2)));
        await FillAsync(queue, 2);
        Delivery held = await GetAsync(queue, autoAck: false);
        await SendAsync(queue, "2");
        await ReadyBecomesAsync(queue, 2);
        Assert.Equal("0", held.Body);
        Assert.Equal(["1", "2"], await GetBodiesAsync(queue, 2));
    }

    [Fact]
    public async Task Max_length_bytes_counts_bodies()
    {
        string queue = await QueueAsync(Arguments(("x-max-length-bytes", 100)));
        IChannel channel = await OpenTrackingChannelAsync();
        foreach (char c in "abcd")
        {
            await PublishAsync(channel, "", queue, new string(c, 30));
        }

        Assert.Equal(3u, await ReadyAsync(queue));
        Assert.Equal(new string('b', 30), (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Reject_publish_keeps_the_oldest_and_drops_without_confirms()
    {
        string queue = await QueueAsync(Arguments(("x-max-length", 2), ("x-overflow", "reject-publish")));
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "", queue, "0");
        await PublishAsync(channel, "", queue, "1");
        await SendAsync(queue, "2");
        await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, "", queue, "3"));
        Assert.Equal(["0", "1"], await GetBodiesAsync(queue, 2));
        Assert.Equal(0u, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Reject_publish_in_one_of_two_queues_still_reaches_the_other()
    {
        string exchange = await ExchangeAsync("fanout");
        string full = await QueueAsync(Arguments(("x-max-length", 1), ("x-overflow", "reject-publish")));
        string open = await QueueAsync();
        await Channel.QueueBindAsync(full, exchange, "");
        await Channel.QueueBindAsync(open, exchange, "");
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, exchange, "", "0");
        await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, exchange, "", "1"));
        await ReadyBecomesAsync(open, 2);
        Assert.Equal(1u, await ReadyAsync(full));
    }

    [Fact]
    public async Task Reject_publish_dlx_dead_letters_what_it_refuses()
    {
        string exchange = await ExchangeAsync("fanout");
        string dead = await QueueAsync();
        await Channel.QueueBindAsync(dead, exchange, "");
        string queue = await QueueAsync(Arguments(("x-max-length", 1), ("x-overflow", "reject-publish-dlx"), ("x-dead-letter-exchange", exchange)));
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "", queue, "0");
        await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, "", queue, "1"));
        Delivery letter = await GetAsync(dead);
        Assert.Equal(("1", "maxlen"), (letter.Body, Delivery.Text(letter.Deaths[0]["reason"])));
        Assert.Equal("0", (await GetAsync(queue)).Body);
    }
}
