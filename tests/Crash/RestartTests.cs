using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Sluice.BlackBox;

namespace Sluice.Crash;

/// <summary>What is there again after a restart, whether the broker was asked to stop or died.</summary>
public sealed class RestartTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Durable_names_and_persistent_messages_are_there_again_and_transient_names_are_gone(bool killed)
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            await channel.ExchangeDeclareAsync("kept.x", "topic", durable: true, arguments: new Dictionary<string, object?> { ["alternate-exchange"] = "kept.alternate" });
            await channel.ExchangeDeclareAsync("kept.alternate", "fanout", durable: true);
            await channel.ExchangeDeclareAsync("gone.x", "direct", durable: false);
            await channel.QueueDeclareAsync("kept.q", durable: true, exclusive: false, autoDelete: false);
            await channel.QueueDeclareAsync("kept.rest", durable: true, exclusive: false, autoDelete: false);
            await channel.QueueDeclareAsync("gone.q", durable: false, exclusive: false, autoDelete: false);
            await channel.QueueDeclareAsync("gone.exclusive", durable: true, exclusive: true, autoDelete: false);
            await channel.QueueBindAsync("kept.q", "kept.x", "a.*");
            await channel.QueueBindAsync("kept.rest", "kept.alternate", "");
            for (int i = 0; i < 100; i++)
            {
                await PublishAsync(channel, "kept.x", "a.b", i.ToString());
            }

            // The first ten are settled, the next ten are with a consumer when the broker ends.
            for (int i = 0; i < 20; i++)
            {
                BasicGetResult got = (await channel.BasicGetAsync("kept.q", autoAck: false))!;
                if (i < 10)
                {
                    await channel.BasicAckAsync(got.DeliveryTag, multiple: false);
                }
            }

            await channel.QueueDeclarePassiveAsync("kept.q");
        }

        await EndAsync(broker, killed);
        await broker.RestartAsync();
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            string[] left = await TakeAllAsync(channel, "kept.q");
            string[] expected = [.. Enumerable.Range(killed ? 0 : 10, killed ? 100 : 90).Select(i => i.ToString())];
            if (killed)
            {
                // Acknowledgements are not confirmed: after a crash the settled ones may come again, as a run at the front.
                Assert.Equal(expected[^left.Length..], left);
                Assert.True(left.Length >= 90, $"only {left.Length} of at least 90 messages are left");
            }
            else
            {
                Assert.Equal(expected, left);
            }

            await PublishAsync(channel, "kept.x", "a.c", "routed");
            await PublishAsync(channel, "kept.x", "other", "not routed");
            Assert.Equal(["routed"], await TakeAllAsync(channel, "kept.q"));
            Assert.Equal(["not routed"], await TakeAllAsync(channel, "kept.rest"));
            foreach (string queue in (string[])["gone.q", "gone.exclusive"])
            {
                IChannel probe = await connection.CreateChannelAsync();
                OperationInterruptedException missing = await Assert.ThrowsAsync<OperationInterruptedException>(() => probe.QueueDeclarePassiveAsync(queue));
                Assert.Equal(404, missing.ShutdownReason!.ReplyCode);
            }

            IChannel last = await connection.CreateChannelAsync();
            await Assert.ThrowsAsync<OperationInterruptedException>(() => last.ExchangeDeclarePassiveAsync("gone.x"));
        }

        Assert.Empty(broker.ErrorLines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Queue_arguments_still_hold_after_a_restart(bool killed)
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        var limited = new Dictionary<string, object?> { ["x-max-length"] = 2, ["x-overflow"] = "reject-publish" };
        var prioritised = new Dictionary<string, object?> { ["x-max-priority"] = 9 };
        var expiring = new Dictionary<string, object?> { ["x-message-ttl"] = 1500, ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = "dead" };
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            await channel.QueueDeclareAsync("dead", durable: true, exclusive: false, autoDelete: false);
            await channel.QueueDeclareAsync("limited", durable: true, exclusive: false, autoDelete: false, limited);
            await channel.QueueDeclareAsync("prioritised", durable: true, exclusive: false, autoDelete: false, prioritised);
            await channel.QueueDeclareAsync("expiring", durable: true, exclusive: false, autoDelete: false, expiring);
            await PublishAsync(channel, "", "limited", "1");
            await PublishAsync(channel, "", "limited", "2");
            foreach (byte priority in (byte[])[1, 5, 3])
            {
                await PublishAsync(channel, "", "prioritised", priority.ToString(), priority);
            }

            await PublishAsync(channel, "", "expiring", "old");
        }

        await EndAsync(broker, killed);
        await broker.RestartAsync();
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            await channel.QueueDeclareAsync("limited", durable: true, exclusive: false, autoDelete: false, limited);
            await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, "", "limited", "3").AsTask());
            await PublishAsync(channel, "", "prioritised", "4", 4);
            Assert.Equal(["5", "4", "3", "1"], await TakeAllAsync(channel, "prioritised"));
            BasicGetResult? letter = null;
            for (long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; letter is null && Environment.TickCount64 < deadline; await Task.Delay(20))
            {
                letter = await channel.BasicGetAsync("dead", autoAck: true);
            }

            Assert.NotNull(letter);
            Assert.True(letter.BasicProperties.Headers!.ContainsKey("x-death"));
        }

        Assert.Empty(broker.ErrorLines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_quorum_delivery_count_and_delayed_messages_survive_a_restart(bool killed)
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            await channel.QueueDeclareAsync("stream", true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "stream" });
            await channel.QueueDeclareAsync("quorum", true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
            await channel.ExchangeDeclareAsync("delayed", "x-delayed-message", durable: true, arguments: new Dictionary<string, object?> { ["x-delayed-type"] = "direct" });
            await channel.QueueDeclareAsync("late", durable: true, exclusive: false, autoDelete: false);
            await channel.QueueBindAsync("late", "delayed", "k");
            for (int i = 0; i < 10; i++)
            {
                await PublishAsync(channel, "", "stream", i.ToString());
            }

            await PublishAsync(channel, "", "quorum", "counted");
            BasicGetResult got = (await channel.BasicGetAsync("quorum", autoAck: false))!;
            await channel.BasicNackAsync(got.DeliveryTag, multiple: false, requeue: true);
            await channel.QueueDeclarePassiveAsync("quorum");
            var delay = new BasicProperties { Persistent = true, Headers = new Dictionary<string, object?> { ["x-delay"] = 1500 } };
            await channel.BasicPublishAsync("delayed", "k", mandatory: false, delay, "delayed"u8.ToArray());
        }

        await EndAsync(broker, killed);
        await broker.RestartAsync();
        await using (IConnection connection = await ConnectAsync(broker))
        {
            IChannel channel = await OpenTrackingChannelAsync(connection);
            await channel.BasicQosAsync(0, 100, false);
            var read = new List<string>();
            var all = new TaskCompletionSource();
            var consumer = new RabbitMQ.Client.Events.AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += (_, delivery) =>
            {
                read.Add(Encoding.UTF8.GetString(delivery.Body.Span));
                if (read.Count == 10)
                {
                    all.TrySetResult();
                }

                return Task.CompletedTask;
            };
            await channel.BasicConsumeAsync("stream", autoAck: false, "reader", false, false, new Dictionary<string, object?> { ["x-stream-offset"] = "first" }, consumer);
            await all.Task.WaitAsync(Patience);
            Assert.Equal(Enumerable.Range(0, 10).Select(i => i.ToString()), read);

            BasicGetResult counted = (await channel.BasicGetAsync("quorum", autoAck: true))!;
            Assert.Equal("counted", Encoding.UTF8.GetString(counted.Body.Span));
            BasicGetResult? late = null;
            for (long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; late is null && Environment.TickCount64 < deadline; await Task.Delay(20))
            {
                late = await channel.BasicGetAsync("late", autoAck: true);
            }

            Assert.NotNull(late);
        }

        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task Data_directory_in_use_is_refused_to_a_second_broker()
    {
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => BrokerProcess.StartAsync(
            new Dictionary<string, string> { ["Sluice__DataDirectory"] = Path.Combine(broker.DataDirectory, "data") }));
        Assert.Contains(Path.Combine(broker.DataDirectory, "data"), refused.Message);
        await using IConnection connection = await ConnectAsync(broker);
        Assert.True(connection.IsOpen);
    }

    [Theory]
    [InlineData("Sluice__Amqp__Prot", "1", "Port")]
    [InlineData("Sluice__DataDirectry", "x", "DataDirectory")]
    [InlineData("Sluice__Amqp__Port", "123456", "Port")]
    [InlineData("Sluice__Amqp__Port", "many", "Port")]
    public async Task Configuration_unknown_or_out_of_range_refuses_to_start_and_names_the_key(string key, string value, string named)
    {
        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(
            () => BrokerProcess.StartAsync(new Dictionary<string, string> { [key] = value }));
        Assert.Contains(named, refused.Message);
        Assert.DoesNotContain("Unhandled exception", refused.Message);
    }

    private static Task<IConnection> ConnectAsync(BrokerProcess broker) =>
        new ConnectionFactory { Uri = new Uri(broker.Address), AutomaticRecoveryEnabled = false, TopologyRecoveryEnabled = false }.CreateConnectionAsync();

    private static Task<IChannel> OpenTrackingChannelAsync(IConnection connection) =>
        connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));

    private static ValueTask PublishAsync(IChannel channel, string exchange, string routingKey, string body, byte? priority = null)
    {
        var properties = new BasicProperties { Persistent = true };
        if (priority is { } level)
        {
            properties.Priority = level;
        }

        return channel.BasicPublishAsync(exchange, routingKey, mandatory: false, properties, Encoding.UTF8.GetBytes(body));
    }

    private static async Task<string[]> TakeAllAsync(IChannel channel, string queue)
    {
        var taken = new List<string>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } message)
        {
            taken.Add(Encoding.UTF8.GetString(message.Body.Span));
        }

        return [.. taken];
    }

    private static async Task EndAsync(BrokerProcess broker, bool killed)
    {
        if (killed)
        {
            await broker.KillAsync();
        }
        else
        {
            Assert.Equal(0, await broker.StopAsync());
        }
    }
}
