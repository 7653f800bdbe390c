using System.Buffers.Binary;
using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>What clients notice of a broker that runs short of memory.</summary>
public sealed class WatermarkTests
{
    private const string Queue = "backlog";
    private const int BodyBytes = 64 << 10;
    private const int Window = 64;

    // The broker has the collector give memory back only every 30 s.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    // Tails may outgrow the watermark: the backlog itself is what fills the memory, and taking it what frees it.
    private static readonly Dictionary<string, string> LittleMemory = new()
    {
        ["Sluice__Memory__Watermark"] = "256MB",
        ["Sluice__Storage__TailBytesMax"] = "2GB",
        ["Sluice__Storage__TailBytesPerLogMax"] = "1GB",
    };

    [Fact]
    public async Task Memory_above_the_watermark_blocks_publishers_until_consumers_have_made_room_and_loses_nothing()
    {
        Assert.SkipWhen(BrokerTarget.IsRabbitMq, "this test starts its own broker");
        await using BrokerProcess broker = await BrokerProcess.StartAsync(LittleMemory);
        await using IConnection publishing = await ConnectAsync(broker);
        await using IConnection consuming = await ConnectAsync(broker);
        var blocked = new Signal();
        var unblocked = new Signal();
        bool consumerToldBlocked = false;
        string? reason = null;
        publishing.ConnectionBlockedAsync += (_, e) =>
        {
            reason = e.Reason;
            return blocked.Set();
        };
        publishing.ConnectionUnblockedAsync += (_, _) => unblocked.Set();
        consuming.ConnectionBlockedAsync += (_, _) =>
        {
            consumerToldBlocked = true;
            return Task.CompletedTask;
        };

        IChannel setUp = await consuming.CreateChannelAsync();
        await setUp.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false);
        var publisher = new Publisher();
        Task publishes = publisher.RunAsync(publishing);
        await WaitAsync(blocked, publishes, broker);
        Assert.Equal("low on memory", reason);

        var taken = new ConcurrentDictionary<int, int>();
        int takenWhileBlocked = 0;
        await ConsumeAsync(consuming, id =>
        {
            taken.AddOrUpdate(id, 1, static (_, count) => count + 1);
            takenWhileBlocked += unblocked.IsSet ? 0 : 1;
        });
        await WaitAsync(unblocked, publishes, broker);
        Assert.True(takenWhileBlocked > 0, "nothing was delivered while publishers were blocked");
        int confirmedAtRelease = publisher.Confirmed;
        await EventuallyAsync(() => publisher.Confirmed > confirmedAtRelease + (2 * Window), "publishing goes on after the release");

        publisher.Stop();
        await publishes.WaitAsync(Patience);
        await EventuallyAsync(() => taken.Count == publisher.Confirmed, "every confirmed message has been delivered");
        Assert.All(taken, static one => Assert.Equal(1, one.Value));
        Assert.False(consumerToldBlocked, "a connection that only consumes is not held back");
        Assert.Contains("Publishers wait:", broker.Log, StringComparison.Ordinal);
        Assert.Contains("Publishers no longer wait for memory", broker.Log, StringComparison.Ordinal);
        Assert.Empty(broker.ErrorLines);
    }

    /// <summary>A blocked client is not read from for a while: heartbeats must go on all the same, or either side gives the other up.</summary>
    private static Task<IConnection> ConnectAsync(BrokerProcess broker) => new ConnectionFactory
    {
        Uri = new Uri(broker.Address),
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
        RequestedHeartbeat = TimeSpan.FromSeconds(3),
    }.CreateConnectionAsync();

    private static async Task ConsumeAsync(IConnection connection, Action<int> take)
    {
        IChannel channel = await connection.CreateChannelAsync();
        await channel.BasicQosAsync(0, 100, global: false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            take(BinaryPrimitives.ReadInt32BigEndian(delivery.Body.Span));
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        };
        await channel.BasicConsumeAsync(Queue, autoAck: false, consumer);
    }

    private static async Task WaitAsync(Signal signal, Task publishes, BrokerProcess broker)
    {
        Task first = await Task.WhenAny(signal.Task, publishes, Task.Delay(Patience));
        if (first == publishes)
        {
            await publishes;
        }

        Assert.True(first == signal.Task, $"not within {Patience}; the broker's log:\n{broker.Log}");
    }

    private static async Task EventuallyAsync(Func<bool> condition, string what)
    {
        for (long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds; !condition(); await Task.Delay(20))
        {
            Assert.True(Environment.TickCount64 < deadline, $"not within {Patience}: {what}");
        }
    }

    private sealed class Signal
    {
        private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Task => _source.Task;

        public bool IsSet => _source.Task.IsCompleted;

        public Task Set()
        {
            _source.TrySetResult();
            return Task.CompletedTask;
        }
    }

    /// <summary>Publishes numbered persistent messages with confirms, a window at a time, until told to stop; every one must be confirmed.</summary>
    private sealed class Publisher
    {
        private volatile int _confirmed;
        private volatile bool _stopped;

        public int Confirmed => _confirmed;

        public void Stop() => _stopped = true;

        public async Task RunAsync(IConnection connection)
        {
            IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
            var outstanding = new Queue<Task>();
            for (int id = 0; !_stopped; id++)
            {
                byte[] body = new byte[BodyBytes];
                BinaryPrimitives.WriteInt32BigEndian(body, id);
                outstanding.Enqueue(channel.BasicPublishAsync("", Queue, mandatory: true, new BasicProperties { Persistent = true }, body).AsTask());
                if (outstanding.Count == Window)
                {
                    await ConfirmAsync(outstanding.Dequeue());
                }
            }

            while (outstanding.TryDequeue(out Task? publish))
            {
                await ConfirmAsync(publish);
            }
        }

        private async Task ConfirmAsync(Task publish)
        {
            await publish;
            _confirmed++;
        }
    }
}
