using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>RabbitMQ.Client (C#): what the conformance tests leave out because they turn it off, automatic recovery.</summary>
public sealed class RabbitMqClientTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task RabbitMQ_Client_recovers_connection_queues_bindings_and_consumers_after_a_crash_of_the_broker()
    {
        Assert.SkipWhen(BrokerTarget.IsRabbitMq, "this test kills its own broker");
        await using BrokerProcess broker = await BrokerProcess.StartAsync();
        var factory = new ConnectionFactory
        {
            Uri = new Uri(broker.Address),
            AutomaticRecoveryEnabled = true,
            NetworkRecoveryInterval = TimeSpan.FromMilliseconds(200),
        };
        await using IConnection connection = await factory.CreateConnectionAsync();
        var recovered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.RecoverySucceededAsync += (_, _) =>
        {
            recovered.TrySetResult();
            return Task.CompletedTask;
        };
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.ExchangeDeclareAsync("recovery.x", "topic");
        string queue = (await channel.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true)).QueueName;
        await channel.QueueBindAsync(queue, "recovery.x", "a.*");
        var received = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            received.TrySetResult(System.Text.Encoding.UTF8.GetString(delivery.Body.Span));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);

        await broker.KillAsync();
        await broker.RestartAsync();
        await recovered.Task.WaitAsync(Patience);

        await channel.BasicPublishAsync("recovery.x", "a.b", mandatory: true, new BasicProperties(), "after the crash"u8.ToArray());
        Assert.Equal("after the crash", await received.Task.WaitAsync(Patience));
    }
}
