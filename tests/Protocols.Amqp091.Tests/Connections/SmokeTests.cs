using System.Text;
using RabbitMQ.Client;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>The first message, by RabbitMQ's own client.</summary>
public sealed class SmokeTests
{
    [Fact]
    public async Task A_confirmed_message_is_got_back()
    {
        await using TestServer server = await TestServer.StartAsync();
        await using (IConnection connection = await server.ConnectAsync())
        await using (IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)))
        {
            await channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false);
            await channel.BasicPublishAsync("", "q", mandatory: true, new BasicProperties { Persistent = true, ContentType = "text/plain" }, Encoding.UTF8.GetBytes("hello"));
            BasicGetResult? got = await channel.BasicGetAsync("q", autoAck: false);
            Assert.NotNull(got);
            Assert.Equal("hello", Encoding.UTF8.GetString(got.Body.Span));
            Assert.Equal("text/plain", got.BasicProperties.ContentType);
            Assert.Equal(0u, got.MessageCount);
            await channel.BasicAckAsync(got.DeliveryTag, multiple: false);
            Assert.Null(await channel.BasicGetAsync("q", autoAck: false));
        }

        await Eventually.TrueAsync(() => server.Amqp.Connections.Count == 0, "connection closed");
        await Eventually.TrueAsync(() => server.Pool.RentedBlocks == 0, "all blocks returned");
        Assert.Empty(server.Log.Errors);
    }
}
