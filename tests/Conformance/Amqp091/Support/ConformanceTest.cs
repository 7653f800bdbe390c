using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Conformance.Amqp091;

/// <summary>A test with a connection and a channel of its own, and the moves that most tests make.</summary>
public abstract class ConformanceTest(BrokerFixture broker) : IAsyncLifetime
{
    /// <summary>How long a wait for something that must happen lasts before the test fails.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly List<IConnection> _connections = [];
    private readonly List<Func<IChannel, Task>> _cleanup = [];

    protected BrokerFixture Broker { get; } = broker;

    protected IConnection Connection { get; private set; } = null!;

    protected IChannel Channel { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Connection = await ConnectAsync();
        Channel = await Connection.CreateChannelAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        foreach (IConnection connection in _connections)
        {
            await connection.DisposeAsync();
        }

        if (_cleanup.Count > 0)
        {
            await using IConnection connection = await Factory().CreateConnectionAsync();
            await using IChannel channel = await connection.CreateChannelAsync();
            foreach (Func<IChannel, Task> step in _cleanup)
            {
                await step(channel);
            }
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Skips the test on the real RabbitMQ 3.10, saying what differs there.</summary>
    protected static void SkipOnRabbitMq(string reason) => Assert.SkipWhen(BrokerFixture.IsRabbitMq, reason);

    protected ConnectionFactory Factory() => new()
    {
        Uri = Broker.Address,
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
    };

    protected async Task<IConnection> ConnectAsync(Action<ConnectionFactory>? configure = null)
    {
        ConnectionFactory factory = Factory();
        configure?.Invoke(factory);
        IConnection connection = await factory.CreateConnectionAsync();
        _connections.Add(connection);
        return connection;
    }

    /// <summary>A second channel on the test's connection.</summary>
    protected Task<IChannel> OpenChannelAsync() => Connection.CreateChannelAsync();

    /// <summary>A channel in confirm mode whose acknowledgements the test sees itself.</summary>
    protected Task<IChannel> OpenConfirmChannelAsync() =>
        Connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false));

    /// <summary>A channel on which a publish completes when the broker has confirmed it, and throws when it refused it.</summary>
    protected Task<IChannel> OpenTrackingChannelAsync() =>
        Connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));

    /// <summary>A name that no other test uses.</summary>
    protected static string Name(string role = "q") => $"conformance.{role}.{Guid.NewGuid().ToString("N")[..12]}";

    /// <summary>A queue that goes with the test's connection.</summary>
    protected async Task<string> QueueAsync(IDictionary<string, object?>? arguments = null)
    {
        string name = Name();
        await Channel.QueueDeclareAsync(name, durable: false, exclusive: true, autoDelete: false, arguments);
        return name;
    }

    /// <summary>A durable, shared queue; deleted at the end of the test.</summary>
    protected async Task<string> DurableQueueAsync(IDictionary<string, object?>? arguments = null)
    {
        string name = Name();
        DeleteQueueAtEnd(name);
        await Channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false, arguments);
        return name;
    }

    /// <summary>An exchange; deleted at the end of the test.</summary>
    protected async Task<string> ExchangeAsync(string type, IDictionary<string, object?>? arguments = null, bool durable = false, bool autoDelete = false)
    {
        string name = Name("x");
        DeleteExchangeAtEnd(name);
        await Channel.ExchangeDeclareAsync(name, type, durable, autoDelete, arguments);
        return name;
    }

    protected void DeleteQueueAtEnd(string name) => _cleanup.Add(channel => channel.QueueDeleteAsync(name, ifUnused: false, ifEmpty: false));

    protected void DeleteExchangeAtEnd(string name) => _cleanup.Add(channel => channel.ExchangeDeleteAsync(name, ifUnused: false));

    protected static Dictionary<string, object?> Arguments(params (string Key, object? Value)[] pairs) => pairs.ToDictionary(p => p.Key, p => p.Value);

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static async Task PublishAsync(IChannel channel, string exchange, string routingKey, string body, BasicProperties? properties = null, bool mandatory = false) =>
        await channel.BasicPublishAsync(exchange, routingKey, mandatory, properties ?? new BasicProperties(), Bytes(body));

    /// <summary>Publishes through the default exchange to a queue, on the test's channel.</summary>
    protected Task SendAsync(string queue, string body, BasicProperties? properties = null) => PublishAsync(Channel, "", queue, body, properties);

    /// <summary>Publishes the numbers 0 … count-1 to a queue and waits until all are ready there.</summary>
    protected async Task FillAsync(string queue, int count)
    {
        uint before = await ReadyAsync(queue);
        for (int i = 0; i < count; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        await EventuallyAsync(async () => await ReadyAsync(queue) == before + count, $"{count} messages ready in {queue}");
    }

    /// <summary>Takes one message by basic.get; null when the queue is empty.</summary>
    protected static async Task<Delivery?> TryGetAsync(IChannel channel, string queue, bool autoAck = true) =>
        await channel.BasicGetAsync(queue, autoAck) is { } result ? Delivery.From(result) : null;

    /// <summary>Waits until basic.get has a message.</summary>
    protected async Task<Delivery> GetAsync(string queue, bool autoAck = true)
    {
        Delivery? got = null;
        await EventuallyAsync(async () => (got = await TryGetAsync(Channel, queue, autoAck)) is not null, $"a message in {queue}");
        return got!;
    }

    /// <summary>Takes that many messages by basic.get and returns their bodies.</summary>
    protected async Task<string[]> GetBodiesAsync(string queue, int count)
    {
        var bodies = new string[count];
        for (int i = 0; i < count; i++)
        {
            bodies[i] = (await GetAsync(queue)).Body;
        }

        return bodies;
    }

    /// <summary>Messages ready in a queue, by passive declare.</summary>
    protected async Task<uint> ReadyAsync(string queue) => (await Channel.QueueDeclarePassiveAsync(queue)).MessageCount;

    protected Task ReadyBecomesAsync(string queue, uint count) =>
        EventuallyAsync(async () => await ReadyAsync(queue) == count, $"{count} messages ready in {queue}");

    /// <summary>Polls until the condition holds; fails the test when it does not within <see cref="Patience"/>.</summary>
    protected static async Task EventuallyAsync(Func<Task<bool>> condition, string what)
    {
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (!await condition())
        {
            Assert.True(Environment.TickCount64 < deadline, $"not within {Patience}: {what}");
            await Task.Delay(10);
        }
    }

    /// <summary>Asserts that what is done closes the channel with that reply code, and the connection stays open.</summary>
    protected static async Task<ShutdownEventArgs> ClosesChannelAsync(IChannel channel, ushort code, Func<Task> act)
    {
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            closed.TrySetResult(reason);
            return Task.CompletedTask;
        };
        try
        {
            await act();
        }
        catch (OperationInterruptedException)
        {
            // The same reason arrives with the event.
        }

        ShutdownEventArgs reason = await closed.Task.WaitAsync(Patience);
        Assert.Equal(ShutdownInitiator.Peer, reason.Initiator);
        Assert.Equal(code, reason.ReplyCode);
        return reason;
    }

    /// <summary>Asserts that what is done closes the test's channel; the connection must then still open another.</summary>
    protected async Task<ShutdownEventArgs> ClosesChannelAsync(ushort code, Func<Task> act)
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(Channel, code, act);
        Assert.True(Connection.IsOpen, "a channel error must leave the connection open");
        Channel = await Connection.CreateChannelAsync();
        return reason;
    }

    /// <summary>Asserts that what is done closes the whole connection with that reply code.</summary>
    protected static async Task<ShutdownEventArgs> ClosesConnectionAsync(IConnection connection, ushort code, Func<Task> act)
    {
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionShutdownAsync += (_, reason) =>
        {
            closed.TrySetResult(reason);
            return Task.CompletedTask;
        };
        try
        {
            await act();
        }
        catch (OperationInterruptedException)
        {
            // The same reason arrives with the event.
        }

        ShutdownEventArgs reason = await closed.Task.WaitAsync(Patience);
        Assert.Equal(code, reason.ReplyCode);
        return reason;
    }
}
