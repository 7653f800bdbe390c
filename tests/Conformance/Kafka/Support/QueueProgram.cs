using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A message as an AMQP consumer got it.</summary>
/// <param name="Tag">By which it is settled.</param>
/// <param name="Body">As text.</param>
/// <param name="Offset">Where it lies in its stream.</param>
/// <param name="IsRedelivered">It came back before.</param>
/// <param name="Returns">How often it came back.</param>
public readonly record struct QueueDelivery(ulong Tag, string Body, long Offset, bool IsRedelivered, int Returns);

/// <summary>A program that speaks AMQP: a connection, a channel and a consumer of its own.</summary>
public sealed class QueueProgram : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly Socket _socket;
    private readonly Consumer _consumer;

    private QueueProgram(IConnection connection, Socket socket, IChannel channel)
    {
        _connection = connection;
        _socket = socket;
        Channel = channel;
        _consumer = new Consumer(channel);
    }

    public IChannel Channel { get; }

    /// <summary>Of its consumer.</summary>
    public string Tag { get; private set; } = "";

    public static async Task<QueueProgram> StartAsync(string address, ushort prefetch = 100)
    {
        Socket? socket = null;
        var factory = new ConnectionFactory
        {
            Uri = new Uri(address),
            AutomaticRecoveryEnabled = false,
            TopologyRecoveryEnabled = false,
            SocketFactory = family =>
            {
                socket = new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                return new TcpClientAdapter(socket);
            },
        };
        IConnection connection = await factory.CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.BasicQosAsync(0, prefetch, false);
        return new QueueProgram(connection, socket!, channel);
    }

    /// <summary>A program that competes with the other members of a share group.</summary>
    public static async Task<QueueProgram> JoinAsync(string address, string topic, string group, ushort prefetch = 100, object? offset = null)
    {
        QueueProgram program = await StartAsync(address, prefetch);
        await program.ConsumeAsync(topic, ("x-share-group", group), ("x-stream-offset", offset));
        return program;
    }

    /// <summary>Subscribes; an argument without a value is none.</summary>
    public async Task ConsumeAsync(string queue, params (string Key, object? Value)[] arguments) =>
        Tag = await Channel.BasicConsumeAsync(queue, false, "", false, false, arguments.Where(static one => one.Value is not null).ToDictionary(static one => one.Key, static one => one.Value), _consumer);

    /// <summary>The next message.</summary>
    public async Task<QueueDelivery> NextAsync(CancellationToken cancel = default)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(RawClient.Patience);
        return await _consumer.Deliveries.Reader.ReadAsync(patience.Token);
    }

    public async Task<List<QueueDelivery>> TakeAsync(int count)
    {
        var taken = new List<QueueDelivery>(count);
        while (taken.Count < count)
        {
            taken.Add(await NextAsync());
        }

        return taken;
    }

    public Task AckAsync(in QueueDelivery delivery, bool multiple = false) => Channel.BasicAckAsync(delivery.Tag, multiple).AsTask();

    public Task ReleaseAsync(in QueueDelivery delivery) => Channel.BasicNackAsync(delivery.Tag, false, requeue: true).AsTask();

    /// <summary>Publishes to a queue or stream; done when that is confirmed.</summary>
    public Task PublishAsync(string queue, string body) => Channel.BasicPublishAsync("", queue, mandatory: true, new BasicProperties(), Encoding.UTF8.GetBytes(body)).AsTask();

    /// <summary>Done when all that was sent on the channel before is dealt with.</summary>
    public Task IsServedAsync() => Channel.BasicQosAsync(0, 1, false);

    /// <summary>Dies without a word.</summary>
    public void Kill() => _socket.Dispose();

    public async ValueTask DisposeAsync()
    {
        await _connection.AbortAsync();
        await _connection.DisposeAsync();
    }

    private sealed class Consumer(IChannel channel) : AsyncDefaultBasicConsumer(channel)
    {
        public Channel<QueueDelivery> Deliveries { get; } = System.Threading.Channels.Channel.CreateUnbounded<QueueDelivery>();

        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            int returns = properties.Headers?.TryGetValue("x-delivery-count", out object? count) == true ? Convert.ToInt32(count) : 0;
            Deliveries.Writer.TryWrite(new QueueDelivery(deliveryTag, Encoding.UTF8.GetString(body.Span), Convert.ToInt64(properties.Headers!["x-stream-offset"]), redelivered, returns));
            return Task.CompletedTask;
        }

        public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            Deliveries.Writer.TryComplete(new InvalidOperationException("the broker cancelled the consumer"));
            return Task.CompletedTask;
        }

        public override Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
        {
            Deliveries.Writer.TryComplete(new InvalidOperationException($"the channel has ended: {reason.ReplyText}"));
            return Task.CompletedTask;
        }
    }
}
