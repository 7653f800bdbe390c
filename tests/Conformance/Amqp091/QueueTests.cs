using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>Class queue: declare, purge, delete, exclusivity, auto-delete, expiry.</summary>
public sealed class QueueTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Queue_declare_reports_name_message_count_and_consumer_count()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 3);
        QueueDeclareOk ok = await Channel.QueueDeclarePassiveAsync(queue);
        Assert.Equal((queue, 3u, 0u), (ok.QueueName, ok.MessageCount, ok.ConsumerCount));
        IChannel other = await OpenChannelAsync();
        await TestConsumer.StartAsync(other, queue);
        await EventuallyAsync(async () => (await Channel.QueueDeclarePassiveAsync(queue)).ConsumerCount == 1, "one consumer");
    }

    [Fact]
    public async Task Queue_declare_without_a_name_is_named_by_the_server()
    {
        QueueDeclareOk one = await Channel.QueueDeclareAsync();
        QueueDeclareOk two = await Channel.QueueDeclareAsync();
        Assert.StartsWith("amq.gen-", one.QueueName);
        Assert.StartsWith("amq.gen-", two.QueueName);
        Assert.NotEqual(one.QueueName, two.QueueName);
    }

    [Fact]
    public async Task Queue_declare_passive_of_a_missing_one_is_404()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(404, () => Channel.QueueDeclarePassiveAsync("conformance.missing"));
        Assert.Equal("NOT_FOUND - no queue 'conformance.missing' in vhost '/'", reason.ReplyText);
        Assert.Equal((50, 10), (reason.ClassId, reason.MethodId));
    }

    [Fact]
    public async Task Queue_declare_name_beginning_amq_is_reserved_403()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(403, () => Channel.QueueDeclareAsync("amq.mine", false, false, true));
        Assert.StartsWith("ACCESS_REFUSED", reason.ReplyText);
    }

    [Theory]
    [InlineData(false, false, "durable")]
    [InlineData(true, true, "auto_delete")]
    public async Task Queue_declare_with_other_flags_is_406(bool durable, bool autoDelete, string argument)
    {
        string queue = await DurableQueueAsync();
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(queue, durable, exclusive: false, autoDelete));
        Assert.StartsWith($"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue '{queue}' in vhost '/'", reason.ReplyText);
    }

    [Fact]
    public async Task Queue_declare_exclusive_of_a_shared_one_is_refused()
    {
        string queue = await DurableQueueAsync();
        await ClosesChannelAsync(405, () => Channel.QueueDeclareAsync(queue, durable: true, exclusive: true, autoDelete: false));
    }

    [Theory]
    [InlineData("x-message-ttl", 1000, 2000)]
    [InlineData("x-max-length", 10, 20)]
    [InlineData("x-max-length-bytes", 10, 20)]
    [InlineData("x-expires", 100_000, 200_000)]
    [InlineData("x-max-priority", 5, 6)]
    public async Task Queue_declare_with_another_argument_value_is_406(string key, int value, int other)
    {
        string queue = await DurableQueueAsync(Arguments((key, value)));
        await Channel.QueueDeclareAsync(queue, true, false, false, Arguments((key, value)));
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(queue, true, false, false, Arguments((key, other))));
        Assert.StartsWith($"PRECONDITION_FAILED - inequivalent arg '{key}' for queue '{queue}'", reason.ReplyText);
        await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(queue, true, false, false));
    }

    [Fact]
    public async Task Queue_declare_integer_arguments_are_equal_across_integer_types()
    {
        string queue = await DurableQueueAsync(Arguments(("x-message-ttl", 1000)));
        await Channel.QueueDeclareAsync(queue, true, false, false, Arguments(("x-message-ttl", 1000L)));
        await Channel.QueueDeclareAsync(queue, true, false, false, Arguments(("x-message-ttl", (short)1000)));
    }

    [Theory]
    [InlineData("x-message-ttl", -1)]
    [InlineData("x-message-ttl", "soon")]
    [InlineData("x-expires", 0)]
    [InlineData("x-expires", -5)]
    [InlineData("x-expires", "soon")]
    [InlineData("x-max-length", -1)]
    [InlineData("x-max-length", "many")]
    [InlineData("x-max-length-bytes", -1)]
    [InlineData("x-max-priority", 256)]
    [InlineData("x-max-priority", -1)]
    [InlineData("x-max-priority", "high")]
    [InlineData("x-overflow", "spill")]
    [InlineData("x-overflow", 1)]
    [InlineData("x-queue-type", "no-such")]
    [InlineData("x-single-active-consumer", "yes")]
    [InlineData("x-dead-letter-exchange", 1)]
    [InlineData("x-dead-letter-routing-key", 1)]
    [InlineData("x-queue-mode", "hurried")]
    public async Task Queue_declare_with_an_argument_of_wrong_type_or_range_is_406(string key, object value)
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(Name(), false, true, false, Arguments((key, value))));
        Assert.StartsWith("PRECONDITION_FAILED", reason.ReplyText);
        Assert.Contains(key, reason.ReplyText);
    }

    [Fact]
    public async Task Queue_declare_dead_letter_routing_key_without_exchange_is_406()
    {
        await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(Name(), false, true, false, Arguments(("x-dead-letter-routing-key", "k"))));
    }

    [Fact]
    public async Task Queue_declare_argument_that_would_have_no_effect_is_refused_406()
    {
        SkipOnRabbitMq("RabbitMQ takes arguments that it does not know and ignores them");
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => Channel.QueueDeclareAsync(Name(), false, true, false, Arguments(("x-mesage-ttl", 5))));
        Assert.Contains("x-mesage-ttl", reason.ReplyText);
    }

    [Fact]
    public async Task Queue_declare_no_wait_is_not_answered()
    {
        string queue = Name();
        await Channel.QueueDeclareAsync(queue, false, true, false, arguments: null, passive: false, noWait: true);
        await Channel.QueueDeclarePassiveAsync(queue);
    }

    [Fact]
    public async Task Queue_exclusive_is_locked_for_other_connections_405()
    {
        string queue = await QueueAsync();
        IConnection other = await ConnectAsync();
        Func<IChannel, Task>[] attempts =
        [
            c => c.QueueDeclarePassiveAsync(queue),
            c => c.QueueDeclareAsync(queue, false, true, false),
            c => c.BasicGetAsync(queue, true),
            c => c.BasicConsumeAsync(queue, true, new AsyncDefaultBasicConsumerForTest(c)),
            c => c.QueuePurgeAsync(queue),
            c => c.QueueDeleteAsync(queue, false, false),
            c => c.QueueBindAsync(queue, "amq.direct", "k"),
        ];
        foreach (Func<IChannel, Task> attempt in attempts)
        {
            IChannel channel = await other.CreateChannelAsync();
            ShutdownEventArgs reason = await ClosesChannelAsync(channel, 405, () => attempt(channel));
            Assert.StartsWith($"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'", reason.ReplyText);
        }
    }

    [Fact]
    public async Task Queue_exclusive_takes_publishes_from_other_connections()
    {
        string queue = await QueueAsync();
        IConnection other = await ConnectAsync();
        IChannel channel = await other.CreateChannelAsync();
        await PublishAsync(channel, "", queue, "from afar");
        Assert.Equal("from afar", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Queue_exclusive_goes_with_its_connection()
    {
        IConnection owner = await ConnectAsync();
        IChannel channel = await owner.CreateChannelAsync();
        string queue = Name();
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: true, autoDelete: false);
        await owner.CloseAsync();
        await EventuallyAsync(() => IsMissingAsync(queue), "the queue to be gone");
    }

    [Fact]
    public async Task Queue_auto_delete_goes_with_its_last_consumer()
    {
        string queue = Name();
        await Channel.QueueDeclareAsync(queue, false, false, autoDelete: true);
        IChannel one = await OpenChannelAsync();
        IChannel two = await OpenChannelAsync();
        TestConsumer first = await TestConsumer.StartAsync(one, queue);
        await TestConsumer.StartAsync(two, queue);
        await one.BasicCancelAsync(first.Tag);
        Assert.False(await IsMissingAsync(queue));
        await two.CloseAsync();
        await EventuallyAsync(() => IsMissingAsync(queue), "the queue to be gone");
    }

    [Fact]
    public async Task Queue_auto_delete_without_a_consumer_ever_stays()
    {
        string queue = Name();
        DeleteQueueAtEnd(queue);
        await Channel.QueueDeclareAsync(queue, false, false, autoDelete: true);
        await SendAsync(queue, "x");
        await GetAsync(queue);
        Assert.False(await IsMissingAsync(queue));
    }

    [Fact]
    public async Task Queue_purge_drops_ready_messages_and_returns_their_number()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        Delivery held = await GetAsync(queue, autoAck: false);
        Assert.Equal(4u, await Channel.QueuePurgeAsync(queue));
        Assert.Equal(0u, await ReadyAsync(queue));
        await Channel.BasicNackAsync(held.Tag, false, requeue: true);
        Assert.Equal("0", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Queue_purge_of_a_missing_one_is_404()
    {
        await ClosesChannelAsync(404, () => Channel.QueuePurgeAsync("conformance.missing"));
    }

    [Fact]
    public async Task Queue_delete_returns_the_number_of_messages()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 4);
        Assert.Equal(4u, await Channel.QueueDeleteAsync(queue, false, false));
        Assert.True(await IsMissingAsync(queue));
    }

    [Fact]
    public async Task Queue_delete_if_empty_with_messages_is_406()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        await ClosesChannelAsync(406, () => Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: true));
        await GetAsync(queue);
        await Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: true);
        Assert.True(await IsMissingAsync(queue));
    }

    [Fact]
    public async Task Queue_delete_if_unused_with_a_consumer_is_406()
    {
        string queue = await QueueAsync();
        IChannel other = await OpenChannelAsync();
        await TestConsumer.StartAsync(other, queue);
        await ClosesChannelAsync(406, () => Channel.QueueDeleteAsync(queue, ifUnused: true, ifEmpty: false));
        await other.CloseAsync();
        await Channel.QueueDeleteAsync(queue, ifUnused: true, ifEmpty: false);
    }

    [Fact]
    public async Task Queue_delete_of_a_missing_one_is_ok()
    {
        Assert.Equal(0u, await Channel.QueueDeleteAsync("conformance.missing"));
    }

    [Fact]
    public async Task Queue_delete_notifies_its_consumers_by_basic_cancel()
    {
        string queue = await QueueAsync();
        IChannel other = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(other, queue);
        await Channel.QueueDeleteAsync(queue);
        await consumer.Cancelled;
        Assert.True(other.IsOpen);
    }

    [Fact]
    public async Task Queue_x_expires_deletes_an_unused_queue()
    {
        string queue = Name();
        await Channel.QueueDeclareAsync(queue, false, false, false, Arguments(("x-expires", 300)));
        await EventuallyAsync(async () =>
        {
            // A passive declare counts as use, so the pauses between two must be longer than the expiry.
            await Task.Delay(900);
            return await IsMissingAsync(queue);
        }, "the queue to expire");
    }

    [Fact]
    public async Task Queue_x_expires_spares_a_queue_with_a_consumer()
    {
        string queue = Name();
        DeleteQueueAtEnd(queue);
        await Channel.QueueDeclareAsync(queue, false, false, false, Arguments(("x-expires", 200)));
        IChannel other = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(other, queue);
        await Task.Delay(800, TestContext.Current.CancellationToken);
        await SendAsync(queue, "alive");
        Assert.Equal("alive", (await consumer.NextAsync()).Body);
    }

    [Fact]
    public async Task Queue_durable_message_keeps_all_its_properties()
    {
        string queue = await DurableQueueAsync();
        var sent = new BasicProperties
        {
            AppId = "app",
            ClusterId = "cluster",
            ContentEncoding = "gzip",
            ContentType = "text/plain",
            CorrelationId = "corr",
            DeliveryMode = DeliveryModes.Persistent,
            Expiration = "600000",
            MessageId = "id",
            Priority = 3,
            ReplyTo = "reply",
            Timestamp = new AmqpTimestamp(1_700_000_000),
            Type = "type",
            UserId = "guest",
            Headers = Arguments(
                ("bool", true), ("byte", (byte)200), ("sbyte", (sbyte)-5), ("short", (short)-300), ("int", -70_000), ("long", 5_000_000_000L),
                ("double", 1.5), ("float", 2.5f), ("text", "grüße"), ("bytes", new byte[] { 0, 1, 255 }), ("null", null),
                ("time", new AmqpTimestamp(1_600_000_000)), ("list", new List<object?> { 1, "two", true }), ("table", Arguments(("inner", 1), ("deep", Arguments(("x", "y")))))),
        };
        await SendAsync(queue, "body", sent);
        Delivery got = await GetAsync(queue);
        IReadOnlyBasicProperties p = got.Properties;
        Assert.Equal(("app", "cluster", "gzip", "text/plain", "corr"), (p.AppId, p.ClusterId, p.ContentEncoding, p.ContentType, p.CorrelationId));
        Assert.Equal((DeliveryModes.Persistent, "600000", "id", (byte)3, "reply"), (p.DeliveryMode, p.Expiration, p.MessageId, p.Priority, p.ReplyTo));
        Assert.Equal((1_700_000_000L, "type", "guest"), (p.Timestamp.UnixTime, p.Type, p.UserId));
        Assert.Equal(true, got.Headers["bool"]);
        Assert.Equal((byte)200, got.Headers["byte"]);
        Assert.Equal((sbyte)-5, got.Headers["sbyte"]);
        Assert.Equal((short)-300, got.Headers["short"]);
        Assert.Equal(-70_000, got.Headers["int"]);
        Assert.Equal(5_000_000_000L, got.Headers["long"]);
        Assert.Equal(1.5, got.Headers["double"]);
        Assert.Equal(2.5f, got.Headers["float"]);
        Assert.Equal("grüße", got.Header("text"));
        Assert.Equal(new byte[] { 0, 1, 255 }, got.Headers["bytes"]);
        Assert.Null(got.Headers["null"]);
        Assert.Equal(new AmqpTimestamp(1_600_000_000), got.Headers["time"]);
        var list = Assert.IsType<List<object?>>(got.Headers["list"]);
        Assert.Equal(1, list[0]);
        Assert.Equal("two", Delivery.Text(list[1]));
        var table = Assert.IsAssignableFrom<IDictionary<string, object?>>(got.Headers["table"]);
        Assert.Equal("y", Delivery.Text(Assert.IsAssignableFrom<IDictionary<string, object?>>(table["deep"])["x"]));
    }

    [Fact]
    public async Task Queue_message_without_properties_arrives_without_any()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "bare");
        IReadOnlyBasicProperties p = (await GetAsync(queue)).Properties;
        Assert.False(p.IsContentTypePresent() || p.IsHeadersPresent() || p.IsDeliveryModePresent() || p.IsPriorityPresent() || p.IsMessageIdPresent());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(131_064)]
    [InlineData(131_065)]
    [InlineData(1_000_000)]
    [InlineData(20_000_000)]
    public async Task Queue_message_body_of_any_size_comes_back_whole(int size)
    {
        string queue = await QueueAsync();
        byte[] body = new byte[size];
        new Random(size).NextBytes(body);
        await Channel.BasicPublishAsync("", queue, false, new BasicProperties(), body);
        BasicGetResult? got = null;
        await EventuallyAsync(async () => (got = await Channel.BasicGetAsync(queue, true)) is not null, "the message");
        Assert.True(got!.Body.Span.SequenceEqual(body));
    }

    private async Task<bool> IsMissingAsync(string queue)
    {
        IChannel probe = await OpenChannelAsync();
        try
        {
            await probe.QueueDeclarePassiveAsync(queue);
            await probe.CloseAsync();
            return false;
        }
        catch (RabbitMQ.Client.Exceptions.OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return true;
        }
    }

    private sealed class AsyncDefaultBasicConsumerForTest(IChannel channel) : AsyncDefaultBasicConsumer(channel);
}
