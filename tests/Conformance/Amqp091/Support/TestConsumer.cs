using System.Threading.Channels;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>A consumer that keeps what it receives for the test to look at.</summary>
public sealed class TestConsumer : AsyncDefaultBasicConsumer
{
    private readonly Channel<Delivery> _deliveries = System.Threading.Channels.Channel.CreateUnbounded<Delivery>();
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _received;

    private TestConsumer(IChannel channel)
        : base(channel)
    {
    }

    /// <summary>How many deliveries have arrived, taken or not.</summary>
    public int Received => Volatile.Read(ref _received);

    /// <summary>The consumer's tag.</summary>
    public string Tag { get; private set; } = "";

    /// <summary>Completes when the broker cancels the consumer.</summary>
    public Task Cancelled => _cancelled.Task.WaitAsync(ConformanceTest.Patience);

    public static async Task<TestConsumer> StartAsync(
        IChannel channel, string queue, bool autoAck = false, IDictionary<string, object?>? arguments = null, bool exclusive = false, string tag = "")
    {
        var consumer = new TestConsumer(channel);
        consumer.Tag = await channel.BasicConsumeAsync(queue, autoAck, tag, noLocal: false, exclusive, arguments, consumer);
        return consumer;
    }

    /// <summary>Waits for the next delivery.</summary>
    public async Task<Delivery> NextAsync()
    {
        using var timeout = new CancellationTokenSource(ConformanceTest.Patience);
        try
        {
            return await _deliveries.Reader.ReadAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"no delivery within {ConformanceTest.Patience}");
        }
    }

    /// <summary>Waits for that many deliveries and returns them in order of arrival.</summary>
    public async Task<IReadOnlyList<Delivery>> TakeAsync(int count)
    {
        var taken = new List<Delivery>(count);
        while (taken.Count < count)
        {
            taken.Add(await NextAsync());
        }

        return taken;
    }

    public override Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref _received);
        var arguments = new BasicDeliverEventArgs(consumerTag, deliveryTag, redelivered, exchange, routingKey, properties, body, cancellationToken);
        _deliveries.Writer.TryWrite(Delivery.From(arguments));
        return Task.CompletedTask;
    }

    public override Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        _cancelled.TrySetResult();
        return Task.CompletedTask;
    }
}
