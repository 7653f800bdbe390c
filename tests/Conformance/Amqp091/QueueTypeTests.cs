using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>x-queue-type: what quorum queues and streams demand, and how a stream is read.</summary>
public sealed class QueueTypeTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Queue_type_classic_equals_no_type()
    {
        string queue = await DurableQueueAsync(Arguments(("x-queue-type", "classic")));
        await Channel.QueueDeclareAsync(queue, true, false, false);
    }

    [Fact]
    public async Task Queue_type_of_another_kind_is_406()
    {
        string queue = await DurableQueueAsync();
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(queue, true, false, false, Arguments(("x-queue-type", "quorum"))));
        Assert.Contains("x-queue-type", reason.ReplyText);
    }

    [Theory]
    [InlineData("quorum", false, false, false)]
    [InlineData("quorum", true, true, false)]
    [InlineData("quorum", true, false, true)]
    [InlineData("stream", false, false, false)]
    [InlineData("stream", true, true, false)]
    [InlineData("stream", true, false, true)]
    public async Task Quorum_and_stream_must_be_durable_shared_and_lasting_406(string type, bool durable, bool exclusive, bool autoDelete)
    {
        await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(Name(), durable, exclusive, autoDelete, Arguments(("x-queue-type", type))));
    }

    [Theory]
    [InlineData("quorum", "x-max-priority", 5)]
    [InlineData("stream", "x-max-priority", 5)]
    [InlineData("stream", "x-dead-letter-exchange", "x")]
    [InlineData("stream", "x-message-ttl", 100)]
    [InlineData("stream", "x-single-active-consumer", true)]
    [InlineData("classic", "x-delivery-limit", 5)]
    [InlineData("classic", "x-max-age", "1h")]
    [InlineData("stream", "x-max-age", "often")]
    public async Task Queue_type_refuses_arguments_it_does_not_honour_406(string type, string key, object value)
    {
        if (key == "x-max-age" && type == "stream")
        {
            SkipOnRabbitMq("RabbitMQ 3.10 answers an x-max-age it cannot read with 541 internal error");
        }

        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(Name(), true, false, false, Arguments(("x-queue-type", type), (key, value))));
        Assert.Contains(key, reason.ReplyText);
    }

    [Fact]
    public async Task Quorum_queue_passes_messages_in_order_with_confirms()
    {
        string queue = await DurableQueueAsync(Arguments(("x-queue-type", "quorum")));
        IChannel confirming = await OpenTrackingChannelAsync();
        for (int i = 0; i < 20; i++)
        {
            await PublishAsync(confirming, "", queue, i.ToString());
        }

        IChannel channel = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue);
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(20);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => i.ToString()), got.Select(d => d.Body));
        await channel.BasicAckAsync(got[^1].Tag, multiple: true);
        await ReadyBecomesAsync(queue, 0);
    }

    [Fact]
    public async Task Quorum_queue_counts_deliveries_in_x_delivery_count()
    {
        string queue = await DurableQueueAsync(Arguments(("x-queue-type", "quorum")));
        await SendAsync(queue, "x");
        for (int i = 0; i < 3; i++)
        {
            Delivery got = await GetAsync(queue, autoAck: false);
            Assert.Equal(i, got.Headers.TryGetValue("x-delivery-count", out object? count) ? Convert.ToInt32(count) : 0);
            await Channel.BasicNackAsync(got.Tag, false, requeue: true);
        }
    }

    [Fact]
    public async Task Stream_is_read_from_the_first_message_by_each_consumer()
    {
        string stream = await StreamAsync(10);
        for (int reader = 0; reader < 2; reader++)
        {
            IReadOnlyList<Delivery> got = await ReadAsync(stream, "first", 10);
            Assert.Equal(Enumerable.Range(0, 10).Select(i => i.ToString()), got.Select(d => d.Body));
            Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), got.Select(d => Convert.ToInt64(d.Headers["x-stream-offset"])));
        }
    }

    [Fact]
    public async Task Stream_is_read_from_an_offset()
    {
        string stream = await StreamAsync(10);
        Assert.Equal(["6", "7", "8", "9"], (await ReadAsync(stream, 6L, 4)).Select(d => d.Body));
    }

    [Fact]
    public async Task Stream_is_read_from_a_timestamp()
    {
        string stream = await StreamAsync(3);
        var longAgo = new AmqpTimestamp(DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeSeconds());
        Assert.Equal(["0", "1", "2"], (await ReadAsync(stream, longAgo, 3)).Select(d => d.Body));
    }

    [Fact]
    public async Task Stream_is_read_from_an_interval()
    {
        string stream = await StreamAsync(3);
        Assert.Equal(["0", "1", "2"], (await ReadAsync(stream, "1h", 3)).Select(d => d.Body));
    }

    [Theory]
    [InlineData("next")]
    [InlineData(null)]
    public async Task Stream_next_and_by_default_gives_only_what_comes(string? offset)
    {
        string stream = await StreamAsync(5);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 10, false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: offset is null ? null : Arguments(("x-stream-offset", offset)));
        await SendAsync(stream, "new");
        Assert.Equal("new", (await consumer.NextAsync()).Body);
    }

    [Fact]
    public async Task Stream_last_begins_within_the_last_chunk()
    {
        string stream = await StreamAsync(5);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 10, false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-stream-offset", "last")));
        await SendAsync(stream, "new");
        var bodies = new List<string>();
        do
        {
            bodies.Add((await consumer.NextAsync()).Body);
        }
        while (bodies[^1] != "new");
        Assert.Contains("4", bodies);
    }

    [Fact]
    public async Task Stream_acknowledgements_give_credit_and_remove_nothing()
    {
        string stream = await StreamAsync(10);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 2, false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-stream-offset", "first")));
        for (int i = 0; i < 10; i++)
        {
            Delivery got = await consumer.NextAsync();
            Assert.Equal(i.ToString(), got.Body);
            await channel.BasicAckAsync(got.Tag, false);
        }

        Assert.Equal(10, (await ReadAsync(stream, "first", 10)).Count);
    }

    [Fact]
    public async Task Stream_consumer_without_prefetch_is_406()
    {
        string stream = await StreamAsync(1);
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, stream));
    }

    [Fact]
    public async Task Stream_consumer_with_auto_ack_is_540()
    {
        string stream = await StreamAsync(1);
        IConnection connection = await ConnectAsync();
        IChannel channel = await connection.CreateChannelAsync();
        await channel.BasicQosAsync(0, 10, false);
        await ClosesConnectionAsync(connection, 540, () => TestConsumer.StartAsync(channel, stream, autoAck: true));
    }

    [Fact]
    public async Task Stream_basic_get_is_540()
    {
        string stream = await StreamAsync(1);
        IConnection connection = await ConnectAsync();
        IChannel channel = await connection.CreateChannelAsync();
        await ClosesConnectionAsync(connection, 540, () => channel.BasicGetAsync(stream, false));
    }

    [Fact]
    public async Task Stream_purge_is_540()
    {
        string stream = await StreamAsync(1);
        IConnection connection = await ConnectAsync();
        IChannel channel = await connection.CreateChannelAsync();
        await ClosesConnectionAsync(connection, 540, () => channel.QueuePurgeAsync(stream));
    }

    [Theory]
    [InlineData("sideways")]
    [InlineData(true)]
    public async Task Stream_offset_of_wrong_form_is_406(object offset)
    {
        SkipOnRabbitMq("RabbitMQ 3.10 answers an x-stream-offset it cannot read with 541 internal error");
        string stream = await StreamAsync(1);
        await Channel.BasicQosAsync(0, 10, false);
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, stream, arguments: Arguments(("x-stream-offset", offset))));
    }

    private async Task<string> StreamAsync(int messages)
    {
        string stream = await DurableQueueAsync(Arguments(("x-queue-type", "stream")));
        IChannel confirming = await OpenTrackingChannelAsync();
        for (int i = 0; i < messages; i++)
        {
            await PublishAsync(confirming, "", stream, i.ToString());
        }

        return stream;
    }

    private async Task<IReadOnlyList<Delivery>> ReadAsync(string stream, object offset, int count)
    {
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 100, false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, stream, arguments: Arguments(("x-stream-offset", offset)));
        return await consumer.TakeAsync(count);
    }
}
