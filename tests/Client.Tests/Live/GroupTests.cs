using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;

namespace Sluice.Client.Tests.Live;

/// <summary>Members come and go, and each record is taken by one of them.</summary>
public sealed class GroupTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    private const int Partitions = 6;

    public static TheoryData<string> Ways => ["range", "roundrobin", "cooperative-sticky", "consumer"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Two_members_share_the_partitions_and_one_takes_over(string way)
    {
        string topic = broker.NewName("shared");
        await Administration.CreateTopicAsync(broker.Address, topic, Partitions);
        ConsumerOptions options = NewOptions(way);
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address });
        var taken = new List<string?>();
        using var stop = new CancellationTokenSource();

        var firstLog = new Listener();
        var first = new KafkaConsumer<string?, string?>(options with { RebalanceListener = firstLog });
        first.Subscribe(topic);
        Task reading = ReadAsync(first, taken, stop.Token);
        await EventuallyAsync(() => firstLog.Owned == Partitions);
        await SendAsync(producer, topic, 0, 600);
        await EventuallyAsync(() => Count(taken) == 600);

        using var stopSecond = new CancellationTokenSource();
        var secondLog = new Listener();
        await using (var second = new KafkaConsumer<string?, string?>(options with { RebalanceListener = secondLog }))
        {
            second.Subscribe(topic);
            Task readingSecond = ReadAsync(second, taken, stopSecond.Token);
            await EventuallyAsync(() => firstLog.Owned == Partitions / 2 && secondLog.Owned == Partitions / 2);
            await SendAsync(producer, topic, 600, 1200);
            await EventuallyAsync(() => Count(taken) == 1200);
            await stopSecond.CancelAsync();
            await readingSecond;
        }

        await EventuallyAsync(() => firstLog.Owned == Partitions);
        await SendAsync(producer, topic, 1200, 1800);
        await EventuallyAsync(() => Count(taken) == 1800);
        await stop.CancelAsync();
        await reading;
        await first.DisposeAsync();

        Assert.Equal(Enumerable.Range(0, 1800).Select(i => $"{i}").Order(), taken.Order());
        Assert.True(secondLog.Owned == 0 && secondLog.Lost == 0);
        if (way is "cooperative-sticky" or "consumer")
        {
            // What stays is never given up: three partitions went and came back.
            Assert.Equal((Partitions / 2, Partitions / 2 + Partitions), (firstLog.RevokedBeforeClose(Partitions), firstLog.Assigned));
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_member_that_does_not_consume_loses_its_partitions_and_comes_back(string way)
    {
        string topic = broker.NewName("stuck");
        await Administration.CreateTopicAsync(broker.Address, topic, 2);
        ConsumerOptions options = NewOptions(way);
        var log = new Listener();
        await using var stuck = new KafkaConsumer<string?, string?>(options with { RebalanceListener = log, MaxPollInterval = TimeSpan.FromSeconds(1), HeartbeatInterval = TimeSpan.FromMilliseconds(100) });
        stuck.Subscribe(topic);
        while (log.Owned < 2)
        {
            await stuck.ConsumeAsync(TimeSpan.FromMilliseconds(100));
        }

        var otherLog = new Listener();
        await using var other = new KafkaConsumer<string?, string?>(options with { RebalanceListener = otherLog });
        other.Subscribe(topic);
        long begin = Environment.TickCount64;
        while (otherLog.Owned < 2)
        {
            Assert.True(Environment.TickCount64 - begin < 60_000, "the other member does not get the partitions");
            await other.ConsumeAsync(TimeSpan.FromMilliseconds(100));
        }

        await stuck.ConsumeAsync(TimeSpan.FromMilliseconds(100));
        Assert.Equal((0, 2), (log.Owned, log.Lost));
        using var stop = new CancellationTokenSource();
        List<string?> none = [];
        Task reading = Task.WhenAll(ReadAsync(stuck, none, stop.Token), ReadAsync(other, none, stop.Token));
        await EventuallyAsync(() => log.Owned == 1 && otherLog.Owned == 1);
        await stop.CancelAsync();
        await reading;
    }

    private static async Task SendAsync(KafkaProducer<string?, string?> producer, string topic, int from, int to) =>
        await Task.WhenAll(Enumerable.Range(from, to - from).Select(i => producer.SendAsync(new(topic, $"{i}", $"{i}"))));

    private static async Task ReadAsync(KafkaConsumer<string?, string?> consumer, List<string?> taken, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            if (await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(50), CancellationToken.None) is { } record)
            {
                lock (taken)
                {
                    taken.Add(record.Value);
                }
            }
        }
    }

    private static int Count(List<string?> taken)
    {
        lock (taken)
        {
            return taken.Count;
        }
    }

    private static async Task EventuallyAsync(Func<bool> condition)
    {
        long begin = Environment.TickCount64;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 - begin < 60_000, "what was waited for did not come");
            await Task.Delay(10);
        }
    }

    private ConsumerOptions NewOptions(string way) => new()
    {
        BootstrapServers = broker.Address,
        GroupId = broker.NewName(way),
        AutoOffsetReset = AutoOffsetReset.Earliest,
        GroupProtocol = way == "consumer" ? GroupProtocol.Consumer : GroupProtocol.Classic,
        Assignors = way == "consumer" ? [PartitionAssignors.Range] : [new[] { PartitionAssignors.Range, PartitionAssignors.RoundRobin, PartitionAssignors.CooperativeSticky }.Single(assignor => assignor.Name == way)],
        HeartbeatInterval = TimeSpan.FromMilliseconds(100),
    };

    private sealed class Listener : IRebalanceListener
    {
        private readonly Lock _sync = new();
        private readonly HashSet<TopicPartition> _owned = [];
        private int _revoked;

        public int Owned
        {
            get
            {
                lock (_sync)
                {
                    return _owned.Count;
                }
            }
        }

        public int Assigned { get; private set; }

        public int Lost { get; private set; }

        /// <summary>What was given up, but for what went with the consumer itself.</summary>
        public int RevokedBeforeClose(int atClose) => _revoked - atClose;

        public Task OnAssignedAsync(IReadOnlyCollection<TopicPartition> partitions)
        {
            lock (_sync)
            {
                _owned.UnionWith(partitions);
                Assigned += partitions.Count;
            }

            return Task.CompletedTask;
        }

        public Task OnRevokedAsync(IReadOnlyCollection<TopicPartition> partitions)
        {
            lock (_sync)
            {
                _owned.ExceptWith(partitions);
                _revoked += partitions.Count;
            }

            return Task.CompletedTask;
        }

        public Task OnLostAsync(IReadOnlyCollection<TopicPartition> partitions)
        {
            lock (_sync)
            {
                _owned.ExceptWith(partitions);
                Lost += partitions.Count;
            }

            return Task.CompletedTask;
        }
    }
}
