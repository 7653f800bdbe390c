using System.Collections.Concurrent;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>What programs of RabbitMQ's own .NET client do.</summary>
public sealed class ClientTests : IAsyncLifetime
{
    private TestServer _server = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        _connection = await _server.ConnectAsync();
        _channel = await _connection.CreateChannelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await Eventually.TrueAsync(() => _server.Amqp.Connections.Count == 0, "all connections ended");
        await Eventually.TrueAsync(() => _server.Pool.RentedBlocks == 0, "all blocks returned");
        Assert.Empty(_server.Log.Errors);
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Messages_are_delivered_in_order_and_prefetch_holds()
    {
        await _channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false);
        for (int i = 0; i < 100; i++)
        {
            await PublishAsync("", "q", $"{i}");
        }

        await _channel.BasicQosAsync(0, 10, global: false);
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("q", autoAck: false, inbox.Consumer);
        await inbox.CountAsync(10);
        Assert.Equal(90, Queue("q").ReadyCount);
        for (int i = 0; i < 100; i++)
        {
            BasicDeliverEventArgs delivery = await inbox.TakeAsync();
            Assert.Equal($"{i}", Text(delivery.Body));
            Assert.False(delivery.Redelivered);
            await _channel.BasicAckAsync(delivery.DeliveryTag, multiple: i % 7 == 0);
        }

        await Eventually.TrueAsync(() => Queue("q") is { ReadyCount: 0, UnsettledCount: 0 }, "all settled");
    }

    [Fact]
    public async Task A_channel_wide_prefetch_holds_over_consumers()
    {
        await _channel.QueueDeclareAsync("a", durable: false, exclusive: false, autoDelete: false);
        await _channel.QueueDeclareAsync("b", durable: false, exclusive: false, autoDelete: false);
        await _channel.BasicQosAsync(0, 3, global: true);
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("a", autoAck: false, inbox.Consumer);
        await _channel.BasicConsumeAsync("b", autoAck: false, inbox.Consumer);
        for (int i = 0; i < 5; i++)
        {
            await PublishAsync("", "a", "a");
            await PublishAsync("", "b", "b");
        }

        for (int i = 0; i < 10; i++)
        {
            BasicDeliverEventArgs delivery = await inbox.TakeAsync();
            Assert.True(Queue("a").UnsettledCount + Queue("b").UnsettledCount <= 3);
            await _channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        }
    }

    [Fact]
    public async Task Requeued_messages_come_back_redelivered_and_rejected_ones_go_to_the_dead_letter_exchange()
    {
        await _channel.QueueDeclareAsync("dead", durable: true, exclusive: false, autoDelete: false);
        await _channel.QueueDeclareAsync("work", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = "dead" });
        await _channel.BasicPublishAsync("", "work", mandatory: false, new BasicProperties { Expiration = "60000", Headers = new Dictionary<string, object?> { ["own"] = 1 } }, Bytes("job"));
        BasicGetResult first = await GetAsync("work");
        Assert.False(first.Redelivered);
        await _channel.BasicNackAsync(first.DeliveryTag, multiple: false, requeue: true);
        BasicGetResult second = await GetAsync("work");
        Assert.True(second.Redelivered);
        await _channel.BasicRejectAsync(second.DeliveryTag, requeue: false);

        BasicGetResult dead = await GetAsync("dead");
        Assert.Equal("job", Text(dead.Body));
        Assert.False(dead.BasicProperties.IsExpirationPresent());
        IDictionary<string, object?> headers = dead.BasicProperties.Headers!;
        Assert.Equal(1, headers["own"]);
        Assert.Equal("work", Text(headers["x-first-death-queue"]));
        Assert.Equal("rejected", Text(headers["x-first-death-reason"]));
        Assert.Equal("", Text(headers["x-first-death-exchange"]));
        var deaths = Assert.IsType<List<object>>(headers["x-death"]);
        var line = Assert.IsType<Dictionary<string, object?>>(Assert.Single(deaths));
        Assert.Equal(1L, line["count"]);
        Assert.Equal("work", Text(line["queue"]));
        Assert.Equal("rejected", Text(line["reason"]));
        Assert.Equal("60000", Text(line["original-expiration"]));
        Assert.Equal("work", Text(Assert.Single(Assert.IsType<List<object>>(line["routing-keys"]))));
        Assert.IsType<AmqpTimestamp>(line["time"]);
    }

    [Fact]
    public async Task Deaths_are_counted_on_when_a_client_publishes_a_dead_message_again()
    {
        await _channel.QueueDeclareAsync("dead", durable: true, exclusive: false, autoDelete: false);
        await _channel.QueueDeclareAsync("work", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = "dead" });
        var properties = new BasicProperties();
        for (int round = 1; round <= 3; round++)
        {
            await _channel.BasicPublishAsync("", "work", mandatory: false, properties, Bytes("job"));
            await _channel.BasicRejectAsync((await GetAsync("work")).DeliveryTag, requeue: false);
            BasicGetResult dead = await GetAsync("dead");
            await _channel.BasicAckAsync(dead.DeliveryTag, multiple: false);
            var line = Assert.IsType<Dictionary<string, object?>>(Assert.Single(Assert.IsType<List<object>>(dead.BasicProperties.Headers!["x-death"])));
            Assert.Equal((long)round, line["count"]);
            properties = new BasicProperties { Headers = dead.BasicProperties.Headers };
        }
    }

    [Fact]
    public async Task Confirms_come_for_routed_and_unroutable_messages_and_returns_come_first()
    {
        await using IChannel channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false);
        var publishes = new List<Task>();
        for (int i = 0; i < 500; i++)
        {
            publishes.Add(channel.BasicPublishAsync("", "q", mandatory: true, new BasicProperties { Persistent = i % 2 == 0 }, Bytes($"{i}")).AsTask());
        }

        await Task.WhenAll(publishes);
        Assert.Equal(500, Queue("q").ReadyCount);
        await channel.BasicPublishAsync("", "nowhere", mandatory: false, Bytes("lost"));
        BasicReturnEventArgs? back = null;
        channel.BasicReturnAsync += (_, args) =>
        {
            back = args;
            return Task.CompletedTask;
        };
        var returned = await Assert.ThrowsAsync<PublishException>(async () => await channel.BasicPublishAsync("", "nowhere", mandatory: true, Bytes("back")));
        Assert.True(returned.IsReturn);
        await Eventually.TrueAsync(() => back is not null, "return seen");
        Assert.Equal((312, "NO_ROUTE", "nowhere"), (back!.ReplyCode, back.ReplyText, back.RoutingKey));
    }

    [Fact]
    public async Task A_full_queue_that_rejects_publishes_nacks_them()
    {
        await using IChannel channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-max-length"] = 2, ["x-overflow"] = "reject-publish" });
        await channel.BasicPublishAsync("", "q", Bytes("1"));
        await channel.BasicPublishAsync("", "q", Bytes("2"));
        await Assert.ThrowsAsync<PublishException>(async () => await channel.BasicPublishAsync("", "q", Bytes("3")));
        Task[] many = [.. Enumerable.Range(0, 20).Select(_ => channel.BasicPublishAsync("", "q", Bytes("x")).AsTask())];
        foreach (Task one in many)
        {
            await Assert.ThrowsAsync<PublishException>(() => one);
        }

        Assert.Equal(2, Queue("q").ReadyCount);
        await channel.QueuePurgeAsync("q");
        await channel.BasicPublishAsync("", "q", Bytes("4"));
    }

    [Fact]
    public async Task Large_bodies_are_split_and_put_together()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("q", autoAck: true, inbox.Consumer);
        var random = new Random(1);
        foreach (int size in new[] { 0, 1, 4_000, 65_000, 131_064, 131_065, 1_000_000, 5_000_000 })
        {
            byte[] body = new byte[size];
            random.NextBytes(body);
            await _channel.BasicPublishAsync("", "q", body);
            BasicDeliverEventArgs delivery = await inbox.TakeAsync();
            Assert.True(delivery.Body.Span.SequenceEqual(body), $"{size} bytes");
        }
    }

    [Fact]
    public async Task Transactions_take_effect_at_commit_and_not_at_rollback()
    {
        await _channel.QueueDeclareAsync("in", durable: true, exclusive: false, autoDelete: false);
        await _channel.QueueDeclareAsync("out", durable: true, exclusive: false, autoDelete: false);
        await PublishAsync("", "in", "job");
        await Eventually.TrueAsync(() => Queue("in").ReadyCount == 1, "job there");
        await using IChannel tx = await _connection.CreateChannelAsync();
        await tx.TxSelectAsync();
        BasicGetResult job = (await tx.BasicGetAsync("in", autoAck: false))!;
        await tx.BasicPublishAsync("", "out", Bytes("result"));
        await tx.BasicAckAsync(job.DeliveryTag, multiple: false);
        await tx.TxRollbackAsync();
        Assert.Equal(0, Queue("out").ReadyCount);
        Assert.Equal(1, Queue("in").UnsettledCount);

        await tx.BasicPublishAsync("", "out", Bytes("result"));
        await tx.BasicAckAsync(job.DeliveryTag, multiple: false);
        Assert.Equal(0, Queue("out").ReadyCount);
        await tx.TxCommitAsync();
        Assert.Equal(1, Queue("out").ReadyCount);
        Assert.Equal(0, Queue("in").UnsettledCount);
        Assert.Equal(0, Queue("in").ReadyCount);
    }

    [Fact]
    public async Task A_transaction_left_open_by_its_channel_gives_its_deliveries_back()
    {
        await _channel.QueueDeclareAsync("in", durable: true, exclusive: false, autoDelete: false);
        await PublishAsync("", "in", "job");
        await using (IChannel tx = await _connection.CreateChannelAsync())
        {
            await tx.TxSelectAsync();
            BasicGetResult job = (await tx.BasicGetAsync("in", autoAck: false))!;
            await tx.BasicAckAsync(job.DeliveryTag, multiple: false);
        }

        Assert.Equal(1, Queue("in").ReadyCount);
        Assert.True((await GetAsync("in")).Redelivered);
    }

    [Fact]
    public async Task Direct_reply_to_brings_the_answer_without_a_queue()
    {
        await _channel.QueueDeclareAsync("rpc", durable: false, exclusive: false, autoDelete: false);
        var answers = new Inbox(_channel);
        await _channel.BasicConsumeAsync("amq.rabbitmq.reply-to", autoAck: true, answers.Consumer);
        await _channel.BasicPublishAsync("", "rpc", mandatory: true, new BasicProperties { ReplyTo = "amq.rabbitmq.reply-to", CorrelationId = "7" }, Bytes("ask"));

        await using IConnection server = await _server.ConnectAsync();
        await using IChannel worker = await server.CreateChannelAsync();
        await Eventually.TrueAsync(() => Queue("rpc").ReadyCount == 1, "request there");
        BasicGetResult request = (await worker.BasicGetAsync("rpc", autoAck: true))!;
        string replyTo = request.BasicProperties.ReplyTo!;
        Assert.StartsWith("amq.rabbitmq.reply-to.", replyTo, StringComparison.Ordinal);
        await worker.QueueDeclarePassiveAsync(replyTo);
        await worker.BasicPublishAsync("", replyTo, mandatory: true, new BasicProperties { CorrelationId = request.BasicProperties.CorrelationId }, Bytes("answer"));
        BasicDeliverEventArgs answer = await answers.TakeAsync();
        Assert.Equal(("answer", "7", replyTo), (Text(answer.Body), answer.BasicProperties.CorrelationId, answer.RoutingKey));

        await _channel.BasicCancelAsync(answer.ConsumerTag);
        var gone = await Assert.ThrowsAsync<OperationInterruptedException>(() => worker.QueueDeclarePassiveAsync(replyTo));
        Assert.Equal(404, gone.ShutdownReason!.ReplyCode);
    }

    [Fact]
    public async Task A_consumer_is_told_when_its_queue_is_deleted()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        var inbox = new Inbox(_channel);
        string tag = await _channel.BasicConsumeAsync("q", autoAck: false, inbox.Consumer);
        await using IConnection other = await _server.ConnectAsync();
        await using IChannel channel = await other.CreateChannelAsync();
        await channel.QueueDeleteAsync("q");
        Assert.Equal(tag, await inbox.CancelledAsync());
    }

    [Fact]
    public async Task Exclusive_queues_are_locked_to_others_and_go_with_their_connection()
    {
        QueueDeclareOk declared = await _channel.QueueDeclareAsync();
        Assert.StartsWith("amq.gen-", declared.QueueName, StringComparison.Ordinal);
        await using (IConnection other = await _server.ConnectAsync())
        {
            await using IChannel channel = await other.CreateChannelAsync();
            var locked = await Assert.ThrowsAsync<OperationInterruptedException>(() => channel.QueueDeclarePassiveAsync(declared.QueueName));
            Assert.Equal(405, locked.ShutdownReason!.ReplyCode);
            Assert.StartsWith($"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{declared.QueueName}' in vhost '/'", locked.ShutdownReason.ReplyText, StringComparison.Ordinal);
            await using IChannel again = await other.CreateChannelAsync();
            await again.QueueDeclareAsync("mine", durable: false, exclusive: true, autoDelete: false);
        }

        await _channel.QueueDeclareAsync("mine", durable: false, exclusive: true, autoDelete: false);
    }

    [Fact]
    public async Task Messages_unacknowledged_when_a_connection_ends_come_back()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await PublishAsync("", "q", "job");
        await Eventually.TrueAsync(() => Queue("q").ReadyCount == 1, "message there");
        await using (IConnection other = await _server.ConnectAsync())
        {
            await using IChannel channel = await other.CreateChannelAsync();
            Assert.NotNull(await channel.BasicGetAsync("q", autoAck: false));
        }

        await Eventually.TrueAsync(() => Queue("q").ReadyCount == 1, "message is back");
        Assert.True((await GetAsync("q")).Redelivered);
    }

    [Fact]
    public async Task Recover_brings_all_unacknowledged_messages_back()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await PublishAsync("", "q", "1");
        await PublishAsync("", "q", "2");
        await GetAsync("q");
        await GetAsync("q");
        using RawClient raw = await RawClient.OpenAsync(_server);
        await raw.SendAsync(1, new Amqp091.Wire.Methods.BasicGet { Queue = "q"u8 });
        await raw.ExpectAsync(Amqp091.Wire.Methods.MethodIds.BasicGetEmpty, 1);
        await _channel.CloseAsync();
        await raw.SendAsync(1, new Amqp091.Wire.Methods.BasicGet { Queue = "q"u8 });
        await raw.ExpectAsync(Amqp091.Wire.Methods.MethodIds.BasicGetOk, 1);
        await raw.ReadFrameAsync();
        await raw.ReadFrameAsync();
        await raw.SendAsync(1, new Amqp091.Wire.Methods.BasicRecover { Requeue = true });
        await raw.ExpectAsync(Amqp091.Wire.Methods.MethodIds.BasicRecoverOk, 1);
        Assert.Equal(2, Queue("q").ReadyCount);
    }

    [Fact]
    public async Task After_a_cancel_messages_stay_in_the_queue()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        var inbox = new Inbox(_channel);
        string tag = await _channel.BasicConsumeAsync("q", autoAck: true, inbox.Consumer);
        await PublishAsync("", "q", "1");
        await inbox.TakeAsync();
        await _channel.BasicCancelAsync(tag);
        await PublishAsync("", "q", "2");
        Assert.Equal("2", Text((await GetAsync("q")).Body));
    }

    [Fact]
    public async Task CC_and_BCC_route_and_BCC_is_not_shown()
    {
        foreach (string name in new[] { "to", "copy", "blind" })
        {
            await _channel.QueueDeclareAsync(name, durable: false, exclusive: false, autoDelete: false);
        }

        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { ["CC"] = new List<object> { "copy" }, ["BCC"] = new List<object> { "blind" } } };
        await _channel.BasicPublishAsync("", "to", mandatory: true, properties, Bytes("x"));
        foreach (string name in new[] { "to", "copy", "blind" })
        {
            BasicGetResult got = await GetAsync(name);
            Assert.True(got.BasicProperties.Headers!.ContainsKey("CC"));
            Assert.False(got.BasicProperties.Headers.ContainsKey("BCC"));
        }
    }

    [Fact]
    public async Task A_headers_exchange_routes_by_the_headers()
    {
        await _channel.ExchangeDeclareAsync("h", "headers");
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        await _channel.QueueBindAsync("q", "h", "", new Dictionary<string, object?> { ["x-match"] = "all", ["kind"] = "order", ["size"] = 5 });
        await _channel.BasicPublishAsync("h", "", mandatory: false, new BasicProperties { Headers = new Dictionary<string, object?> { ["kind"] = "order", ["size"] = 5L } }, Bytes("yes"));
        await _channel.BasicPublishAsync("h", "", mandatory: false, new BasicProperties { Headers = new Dictionary<string, object?> { ["kind"] = "order", ["size"] = 6 } }, Bytes("no"));
        Assert.Equal("yes", Text((await GetAsync("q")).Body));
        Assert.Null(await _channel.BasicGetAsync("q", autoAck: true));
    }

    [Fact]
    public async Task A_quorum_queue_counts_deliveries()
    {
        await _channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await PublishAsync("", "q", "x");
        BasicGetResult first = await GetAsync("q");
        Assert.False(first.BasicProperties.Headers?.ContainsKey("x-delivery-count") ?? false);
        await _channel.BasicNackAsync(first.DeliveryTag, multiple: false, requeue: true);
        BasicGetResult second = await GetAsync("q");
        Assert.Equal(1L, second.BasicProperties.Headers!["x-delivery-count"]);
    }

    [Fact]
    public async Task A_stream_is_read_from_where_the_consumer_says()
    {
        await _channel.QueueDeclareAsync("s", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "stream" });
        for (int i = 0; i < 10; i++)
        {
            await PublishAsync("", "s", $"{i}");
        }

        await _channel.BasicQosAsync(0, 100, global: false);
        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], await ReadStreamAsync("first", 10));
        Assert.Equal(["7", "8", "9"], await ReadStreamAsync(7L, 3));
        Assert.Equal(10, (await ReadStreamAsync("1h", 10)).Count);
        Assert.Equal(10, (await ReadStreamAsync(new AmqpTimestamp(0), 10)).Count);
    }

    [Fact]
    public async Task An_alarm_holds_publishers_back_and_tells_them()
    {
        await _channel.QueueDeclareAsync("q", durable: false, exclusive: false, autoDelete: false);
        var blocked = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var unblocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.ConnectionBlockedAsync += (_, args) =>
        {
            blocked.TrySetResult(args.Reason);
            return Task.CompletedTask;
        };
        _connection.ConnectionUnblockedAsync += (_, _) =>
        {
            unblocked.TrySetResult();
            return Task.CompletedTask;
        };
        await PublishAsync("", "q", "1");
        await Eventually.TrueAsync(() => Queue("q").ReadyCount == 1, "first message there");
        _server.Broker.SetBlocked("low on memory");
        Assert.Equal("low on memory", await blocked.Task.WaitAsync(Eventually.Limit, TestContext.Current.CancellationToken));
        await PublishAsync("", "q", "2");
        await using (IConnection other = await _server.ConnectAsync())
        {
            await using IChannel channel = await other.CreateChannelAsync();
            Assert.Equal(1u, await channel.MessageCountAsync("q"));
        }

        _server.Broker.SetBlocked(null);
        await unblocked.Task.WaitAsync(Eventually.Limit, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => Queue("q").ReadyCount == 2, "second message there");
    }

    [Fact]
    public async Task An_operator_lists_and_closes_connections()
    {
        ConnectionFactory factory = _server.Factory();
        await using IConnection connection = await factory.CreateConnectionAsync("orders");
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionShutdownAsync += (_, args) =>
        {
            closed.TrySetResult(args);
            return Task.CompletedTask;
        };
        await connection.CreateChannelAsync();
        Amqp091.Connections.IAmqpConnectionInfo info = Assert.Single(_server.Amqp.Connections.List(), one => one.ClientName == "orders");
        Assert.Equal(("guest", "/", 1, Amqp091.Connections.ConnectionState.Running), (info.UserName, info.VirtualHostName, info.ChannelCount, info.State));
        info.Close("maintenance");
        ShutdownEventArgs reason = await closed.Task.WaitAsync(Eventually.Limit, TestContext.Current.CancellationToken);
        Assert.Equal((320, "CONNECTION_FORCED - broker forced connection closure with reason 'maintenance'"), (reason.ReplyCode, reason.ReplyText));
    }

    [Fact]
    public async Task A_secret_may_be_updated_though_a_password_never_runs_out()
    {
        await _connection.UpdateSecretAsync("guest", "routine");
        await _connection.UpdateSecretAsync("whatever", "routine");
        Assert.True(_connection.IsOpen);
    }

    private async Task<List<string>> ReadStreamAsync(object offset, int count)
    {
        var inbox = new Inbox(_channel);
        string tag = await _channel.BasicConsumeAsync("s", autoAck: false, "", noLocal: false, exclusive: false, new Dictionary<string, object?> { ["x-stream-offset"] = offset }, inbox.Consumer);
        var read = new List<string>();
        for (int i = 0; i < count; i++)
        {
            BasicDeliverEventArgs delivery = await inbox.TakeAsync();
            Assert.Equal(long.Parse(Text(delivery.Body)), delivery.BasicProperties.Headers!["x-stream-offset"]);
            read.Add(Text(delivery.Body));
            await _channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        }

        await _channel.BasicCancelAsync(tag);
        return read;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(ReadOnlyMemory<byte> body) => Encoding.UTF8.GetString(body.Span);

    private static string Text(object? header) => Encoding.UTF8.GetString(Assert.IsType<byte[]>(header));

    private Broker.Queues.MessageQueue Queue(string name) => _server.Host.FindQueue(name, null).Value!;

    private ValueTask PublishAsync(string exchange, string routingKey, string body) => _channel.BasicPublishAsync(exchange, routingKey, Bytes(body));

    /// <summary>Publishes without confirms travel ahead of this call on the same connection, so the message is there.</summary>
    private async Task<BasicGetResult> GetAsync(string queue)
    {
        BasicGetResult? got = null;
        long start = Environment.TickCount64;
        while (got is null && Environment.TickCount64 - start < Eventually.Limit.TotalMilliseconds)
        {
            got = await _channel.BasicGetAsync(queue, autoAck: false);
        }

        return got ?? throw new TimeoutException($"no message in '{queue}'");
    }

    private sealed class Inbox
    {
        private readonly BlockingCollection<BasicDeliverEventArgs> _deliveries = [];
        private readonly TaskCompletionSource<string> _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Inbox(IChannel channel)
        {
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += (_, args) =>
            {
                // The body is the client's buffer: kept beyond the event only as a copy.
                _deliveries.Add(new BasicDeliverEventArgs(args.ConsumerTag, args.DeliveryTag, args.Redelivered, args.Exchange, args.RoutingKey, args.BasicProperties, args.Body.ToArray()));
                return Task.CompletedTask;
            };
            consumer.UnregisteredAsync += (_, args) =>
            {
                _cancelled.TrySetResult(args.ConsumerTags[0]);
                return Task.CompletedTask;
            };
            Consumer = consumer;
        }

        public AsyncEventingBasicConsumer Consumer { get; }

        public Task CountAsync(int count) => Eventually.TrueAsync(() => _deliveries.Count == count, $"{count} deliveries");

        public Task<BasicDeliverEventArgs> TakeAsync() => Task.Run(() =>
            _deliveries.TryTake(out BasicDeliverEventArgs? delivery, Eventually.Limit) ? delivery : throw new TimeoutException("no delivery"));

        public Task<string> CancelledAsync() => _cancelled.Task.WaitAsync(Eventually.Limit, TestContext.Current.CancellationToken);
    }
}
