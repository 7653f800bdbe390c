using Sluice.Base.Scheduling;
using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.TestKit.Disk;

namespace Sluice.Broker.Tests.Delays;

public sealed class DelayRecoveryTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(200)]
    [InlineData(10_000)]
    [InlineData(100_000_000)]
    [InlineData(-3600)]
    public void A_restart_keeps_what_waits_and_delivers_what_is_overdue(long downtimeSeconds)
    {
        using var fixture = new DelayFixture(indexMax: 50);
        var random = new Random(3);
        for (int i = 0; i < 600; i++)
        {
            fixture.Schedule($"m{i}", random.NextInt64(1, 1L << random.Next(4, 30)));
        }

        fixture.Run(TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(100));
        int before = fixture.Delivered.Count;
        Assert.InRange(before, 10, 590);
        fixture.Restart(TimeSpan.FromSeconds(downtimeSeconds));
        Assert.All(fixture.Delivered, delivery => Assert.True(delivery.DueMs <= delivery.AtMs));
        fixture.Run(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100));
        fixture.Run(TimeSpan.FromDays(15), TimeSpan.FromSeconds(100));
        Assert.Equal(600, before + fixture.Delivered.Count);
        Assert.Equal(600, fixture.DeliveredEver().Distinct().Count());
        Assert.All(fixture.Delivered, delivery => Assert.True(delivery.DueMs <= delivery.AtMs));
        Assert.Empty(fixture.Errors.Lines);
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void Crashes_neither_lose_nor_duplicate_a_message(CrashKind kind)
    {
        for (int seed = 0; seed < 60; seed++)
        {
            RunHistory(seed, kind);
        }
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_crash_in_the_middle_of_a_move_leaves_each_message_in_one_place(CrashKind kind)
    {
        const int Count = 200;
        int moved = 0;
        for (int seed = 0; seed < 60; seed++)
        {
            using var fixture = new DelayFixture(seed);
            for (int i = 0; i < Count; i++)
            {
                fixture.Schedule($"m{i} {new string('x', 100)}", 200_000 + (i * 100));
            }

            // Buckets of 64 s are moved from 32 s before their beginning on.
            fixture.Run(TimeSpan.FromSeconds(60 + seed), TimeSpan.FromSeconds(1));
            int operations = 0;
            fixture.Disk.Fault = _ => ++operations > seed % 5 ? new IOException("The power is going.") : null;
            long settledBefore = Settled(fixture);
            for (int second = 0; second < 100 && operations == 0; second++)
            {
                fixture.Run(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
            }

            moved += Settled(fixture) > settledBefore ? 1 : 0;
            fixture.Crash(kind, TimeSpan.Zero);
            Assert.Equal(Count, fixture.Delays.Count + fixture.DeliveredEver().Count);
            fixture.Run(TimeSpan.FromSeconds(300), TimeSpan.FromSeconds(1));
            Assert.Equal(Count, fixture.DeliveredEver().Count);
            Assert.Equal(Count, fixture.DeliveredEver().Distinct().Count());
        }

        Assert.InRange(moved, 30, 60);

        static long Settled(DelayFixture fixture) => fixture.Delays.LogIds.Sum(id => fixture.Store.FindLog(id)!.Cursor!.Floor);
    }

    [Fact]
    public void Damage_costs_the_messages_it_hits_and_is_said_loudly()
    {
        using var fixture = new DelayFixture();
        for (int i = 0; i < 400; i++)
        {
            fixture.Schedule($"m{i:000} {new string('x', 1000)}", 1_000_000 + i);
        }

        fixture.Scheduler.RunAll();
        fixture.Store.Checkpoint();
        fixture.Restart(TimeSpan.Zero);
        string file = FindLargestSegment(fixture.Disk);
        fixture.Disk.FlipBit(file, 20_000, 3);
        fixture.Run(TimeSpan.FromSeconds(1010), TimeSpan.FromSeconds(1));
        int delivered = fixture.DeliveredEver().Distinct().Count();
        Assert.InRange(delivered, 300, 399);
        Assert.NotEmpty(fixture.Errors.Lines);
        Assert.Contains(fixture.Errors.Lines, line => line.Contains("lost to damage", StringComparison.Ordinal));
        Assert.Equal(0, fixture.Delays.Count);
    }

    [Fact]
    public async Task Many_publishers_at_once_lose_nothing()
    {
        const int PerPublisher = 3000;
        SystemScheduler scheduler = new();
        var disk = new FaultDisk(1);
        var target = new CountingTarget();
        using LogStore store = LogStore.Open(new LogStoreOptions(), disk, scheduler, TimeProvider.System, target.Errors);
        using DelayStore delays = await DelayStore.CreateAsync(store, "/", new DelayOptions { IndexMax = 500, Promise = Durability.OperatingSystem }, scheduler, TimeProvider.System, target.Errors.CreateLogger(""));
        delays.Start(target);
        Thread[] publishers = [.. Enumerable.Range(0, 3).Select(publisher => new Thread(() =>
        {
            var random = new Random(publisher);
            for (int i = 0; i < PerPublisher; i++)
            {
                var message = new MessageToPublish { Body = BitConverter.GetBytes((publisher * PerPublisher) + i), Persistent = i % 2 == 0 };
                delays.Schedule("x"u8, message, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + random.Next(0, 1500));
            }
        }))];
        Array.ForEach(publishers, publisher => publisher.Start());
        Array.ForEach(publishers, publisher => publisher.Join());
        for (int i = 0; i < 600 && target.Count < 3 * PerPublisher; i++)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.Equal(3 * PerPublisher, target.Count);
        Assert.Equal(3 * PerPublisher, target.DistinctCount);
        Assert.Empty(target.Errors.Lines);
    }

    private static void RunHistory(int seed, CrashKind kind)
    {
        using var fixture = new DelayFixture(seed, indexMax: 20);
        var random = new Random(seed);
        var confirmed = new HashSet<string>();
        var scheduled = new HashSet<string>();
        for (int life = 0; life < 4; life++)
        {
            int operations = 0;
            int cutAt = random.Next(1, 400);
            fixture.Disk.Fault = _ => ++operations >= cutAt ? new IOException("The power is going.") : null;
            var waiting = new List<(string Body, JournalPosition Position)>();
            for (int i = 0; i < 150; i++)
            {
                string body = $"{seed}.{life}.{i} {new string('x', random.Next(200))}";
                try
                {
                    bool persistent = random.Next(4) > 0;
                    JournalPosition position = fixture.Schedule(body, random.NextInt64(0, 1L << random.Next(1, 20)), persistent);
                    scheduled.Add(body);
                    if (persistent)
                    {
                        waiting.Add((body, position));
                    }
                }
                catch (LogFailedException)
                {
                    // Refused, so nothing was promised.
                }

                fixture.Clock.Advance(TimeSpan.FromMilliseconds(random.Next(random.Next(10) == 0 ? 70_000 : 500)));
                for (int run = random.Next(6); run > 0; run--)
                {
                    fixture.Scheduler.RunOne();
                }

                if (random.Next(60) == 0)
                {
                    try
                    {
                        fixture.Store.Checkpoint();
                    }
                    catch (IOException)
                    {
                        // The power is going.
                    }
                }
            }

            confirmed.UnionWith(waiting.Where(one => one.Position <= fixture.Store.DurablePosition).Select(one => one.Body));
            fixture.Crash(kind, TimeSpan.FromSeconds(random.Next(300)));
            Assert.Equal(fixture.DeliveredEver().Count, fixture.DeliveredEver().Distinct().Count());
        }

        fixture.Run(TimeSpan.FromSeconds(1 << 11), TimeSpan.FromSeconds(4));
        List<string> delivered = fixture.DeliveredEver();
        Assert.Equal(delivered.Count, delivered.Distinct().Count());
        Assert.Empty(confirmed.Except(delivered));
        Assert.Empty(delivered.Except(scheduled));
        Assert.Equal(0, fixture.Delays.Count);
        Assert.InRange(confirmed.Count, 1, scheduled.Count);
    }

    private static string FindLargestSegment(FaultDisk disk)
    {
        string? largest = null;
        foreach (string directory in disk.List("logs"))
        {
            foreach (string file in disk.List($"logs/{directory}"))
            {
                string path = $"logs/{directory}/{file}";
                if (largest is null || disk.ReadAll(path).Length > disk.ReadAll(largest).Length)
                {
                    largest = path;
                }
            }
        }

        return largest!;
    }

    private sealed class CountingTarget : IDelayedTarget
    {
        private readonly HashSet<int> _seen = [];
        private int _count;

        public DelayFixture.ErrorCounter Errors { get; } = new();

        public int Count => Volatile.Read(ref _count);

        public int DistinctCount
        {
            get
            {
                lock (_seen)
                {
                    return _seen.Count;
                }
            }
        }

        public void Deliver(DelayedBatch batch)
        {
            int taken = 0;
            lock (_seen)
            {
                while (batch.TryNext(out DelayedMessage delayed))
                {
                    _seen.Add(BitConverter.ToInt32(delayed.Message.Body));
                    taken++;
                }
            }

            batch.Settle(null);
            Interlocked.Add(ref _count, taken);
        }
    }
}
