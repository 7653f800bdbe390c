using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>Direct reply-to (RabbitMQ extension): the pseudo-queue amq.rabbitmq.reply-to.</summary>
public sealed class DirectReplyToTests(BrokerFixture broker) : ConformanceTest(broker)
{
    private const string ReplyTo = "amq.rabbitmq.reply-to";

    [Fact]
    public async Task Direct_reply_to_carries_replies_without_a_queue()
    {
        string requests = await DurableQueueAsync();
        IChannel client = await OpenChannelAsync();
        TestConsumer replies = await TestConsumer.StartAsync(client, ReplyTo, autoAck: true);
        IConnection serverConnection = await ConnectAsync();
        IChannel server = await serverConnection.CreateChannelAsync();
        TestConsumer served = await TestConsumer.StartAsync(server, requests, autoAck: true);
        for (int i = 0; i < 3; i++)
        {
            await PublishAsync(client, "", requests, $"question {i}", new BasicProperties { ReplyTo = ReplyTo, CorrelationId = $"c{i}" });
            Delivery request = await served.NextAsync();
            Assert.StartsWith(ReplyTo + ".", request.Properties.ReplyTo);
            await PublishAsync(server, "", request.Properties.ReplyTo!, $"answer {i}", new BasicProperties { CorrelationId = request.Properties.CorrelationId });
            Delivery reply = await replies.NextAsync();
            Assert.Equal(($"answer {i}", $"c{i}", ""), (reply.Body, reply.Properties.CorrelationId, reply.Exchange));
        }
    }

    [Fact]
    public async Task Direct_reply_to_consumer_must_be_auto_ack_406()
    {
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, ReplyTo, autoAck: false));
    }

    [Fact]
    public async Task Direct_reply_to_second_consumer_on_a_channel_is_406()
    {
        await TestConsumer.StartAsync(Channel, ReplyTo, autoAck: true);
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, ReplyTo, autoAck: true));
    }

    [Fact]
    public async Task Direct_reply_to_without_a_consumer_is_406()
    {
        string requests = await QueueAsync();
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => SendAsync(requests, "question", new BasicProperties { ReplyTo = ReplyTo }));
        Assert.Equal("PRECONDITION_FAILED - fast reply consumer does not exist", reason.ReplyText);
    }

    [Fact]
    public async Task Direct_reply_to_can_be_probed_by_passive_declare()
    {
        string requests = await QueueAsync();
        IChannel client = await OpenChannelAsync();
        await TestConsumer.StartAsync(client, ReplyTo, autoAck: true);
        await PublishAsync(client, "", requests, "question", new BasicProperties { ReplyTo = ReplyTo });
        string address = (await GetAsync(requests)).Properties.ReplyTo!;
        Assert.Equal(address, (await Channel.QueueDeclarePassiveAsync(address)).QueueName);
        await client.CloseAsync();
        await ClosesChannelAsync(404, () => Channel.QueueDeclarePassiveAsync(address));
    }

    [Fact]
    public async Task Direct_reply_to_a_client_that_is_gone_is_unroutable()
    {
        string requests = await QueueAsync();
        IChannel client = await OpenChannelAsync();
        await TestConsumer.StartAsync(client, ReplyTo, autoAck: true);
        await PublishAsync(client, "", requests, "question", new BasicProperties { ReplyTo = ReplyTo });
        string address = (await GetAsync(requests)).Properties.ReplyTo!;
        await client.CloseAsync();
        IChannel server = await OpenTrackingChannelAsync();
        await PublishAsync(server, "", address, "too late");
        Assert.True(server.IsOpen);
    }
}
