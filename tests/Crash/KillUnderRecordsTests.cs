using System.Buffers.Binary;
using System.Collections.Concurrent;
using Sluice.BlackBox;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;

namespace Sluice.Crash;

/// <summary>
/// kill -9 of the broker under Kafka producers, one of which asks for acks=all, and consumers that read what comes at once. Large batches of acks=1 go straight to segment files.
/// </summary>
public sealed class KillUnderRecordsTests
{
    private const int Topics = 3, RoundsMax = 10, InFlight = 120;

    [Fact]
    public async Task What_was_acknowledged_or_read_survives_the_process_with_its_offset()
    {
        int seed = CrashSettings.Seed;
        var random = new Random(seed);
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string>
        {
            // Small, so that segments roll and checkpoints come between the kills.
            ["Sluice__Storage__SegmentBytes"] = $"{4 << 20}",
            ["Sluice__Storage__JournalBytesMax"] = $"{8 << 20}",
        });
        var kept = new ConcurrentDictionary<(string Topic, long Offset), long>();
        var seen = new ConcurrentDictionary<(string Topic, long Offset), long>();
        var changed = new ConcurrentQueue<string>();
        long serial = 0;
        ProducerOptions options = new()
        {
            BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", Acks = Acks.Leader, EnableIdempotence = false, BatchBytes = 128 << 10, RetryBackoffMax = TimeSpan.FromMilliseconds(100),
        };
        await using var leader = new KafkaProducer<string?, byte[]?>(options);
        await using var all = new KafkaProducer<string?, byte[]?>(options with { Acks = Acks.All });

        async Task LoadAsync(int topic, CancellationToken stop)
        {
            var sizes = new Random(seed + topic);
            KafkaProducer<string?, byte[]?> producer = topic == 0 ? all : leader;
            while (!stop.IsCancellationRequested)
            {
                await Task.WhenAll(Enumerable.Range(0, InFlight).Select(async _ =>
                {
                    long number = Interlocked.Increment(ref serial);
                    byte[] value = new byte[sizes.Next(8, 4000)];
                    BinaryPrimitives.WriteInt64LittleEndian(value, number);
                    RecordMetadata metadata = await producer.SendAsync(new($"kills-{topic}", null, value), CancellationToken.None);
                    kept[(metadata.Partition.Topic, metadata.Offset)] = number;
                }));
            }
        }

        // Goes on by offset through the kills, as consumers do: what it has passed must not become something else.
        async Task TailAsync(int topic, CancellationToken stop)
        {
            await using var consumer = new KafkaConsumer<string?, byte[]?>(new ConsumerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", AutoOffsetReset = AutoOffsetReset.Earliest });
            consumer.Assign(new TopicPartition($"kills-{topic}", 0));
            while (!stop.IsCancellationRequested)
            {
                if (await consumer.ConsumeAsync(TimeSpan.FromMilliseconds(200), CancellationToken.None) is { } record)
                {
                    long number = BinaryPrimitives.ReadInt64LittleEndian(record.Value);
                    if (seen.GetOrAdd(($"kills-{topic}", record.Offset), number) is var before && before != number)
                    {
                        changed.Enqueue($"kills-{topic}, offset {record.Offset}: record {before} was read, later {number}");
                    }
                }
            }
        }

        using var stop = new CancellationTokenSource();
        Task[] load = [.. Enumerable.Range(0, Topics).Select(topic => LoadAsync(topic, stop.Token)), .. Enumerable.Range(0, Topics).Select(topic => TailAsync(topic, stop.Token))];
        int rounds = Math.Min(CrashSettings.Rounds, RoundsMax);
        for (int round = 1; round <= rounds; round++)
        {
            int before = kept.Count;
            while (kept.Count < before + 300)
            {
                await Task.WhenAny([Task.Delay(10), .. load]);
                Assert.DoesNotContain(load, static task => task.IsFaulted);
            }

            await Task.Delay(random.Next(200));
            await broker.KillAsync();
            await broker.RestartAsync();
        }

        await stop.CancelAsync();
        await Task.WhenAll(load);
        for (int topic = 0; topic < Topics; topic++)
        {
            await CheckAsync(broker, $"kills-{topic}", kept, "acknowledged", seed);
            await CheckAsync(broker, $"kills-{topic}", seen, "read", seed);
        }

        TestContext.Current.SendDiagnosticMessage($"{rounds} kills, {kept.Count} records acknowledged, {seen.Count} read");
        Assert.True(changed.IsEmpty, $"seed {seed}: {string.Join('\n', changed.Take(20))}");
        Assert.True(broker.ErrorLines.Count == 0, $"seed {seed}: the broker logged errors:\n{string.Join('\n', broker.ErrorLines.Take(20))}");
    }

    /// <summary>Reads the topic from its beginning: each record is where the broker said.</summary>
    private static async Task CheckAsync(BrokerProcess broker, string topic, ConcurrentDictionary<(string Topic, long Offset), long> kept, string how, int seed)
    {
        await using var consumer = new KafkaConsumer<string?, byte[]?>(new ConsumerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", AutoOffsetReset = AutoOffsetReset.Earliest });
        var partition = new TopicPartition(topic, 0);
        long end = (await consumer.EndOffsetsAsync([partition]))[partition];
        consumer.Assign(partition);
        var found = new Dictionary<long, long>();
        while (consumer.Position(partition) is not { } position || position < end)
        {
            if (await consumer.ConsumeAsync(TimeSpan.FromSeconds(30)) is not { } record)
            {
                break;
            }

            found[record.Offset] = BinaryPrimitives.ReadInt64LittleEndian(record.Value);
        }

        string[] wrong = [.. kept.Where(pair => pair.Key.Topic == topic && found.GetValueOrDefault(pair.Key.Offset) != pair.Value).Select(pair => $"offset {pair.Key.Offset}: record {pair.Value} was {how}, {found.GetValueOrDefault(pair.Key.Offset)} is there")];
        Assert.True(wrong.Length == 0, $"seed {seed}: {topic} lost {wrong.Length} of {kept.Count}:\n{string.Join('\n', wrong.Take(20))}");
    }
}
