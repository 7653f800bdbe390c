using System.Buffers.Binary;
using System.Collections.Concurrent;
using Sluice.BlackBox;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;

namespace Sluice.Crash;

/// <summary>kill -9 of the broker under Kafka producers with acks=1, whose large batches go straight to segment files.</summary>
public sealed class KillUnderRecordsTests
{
    private const int Topics = 3, RoundsMax = 10, InFlight = 120;

    [Fact]
    public async Task What_a_leader_has_acknowledged_survives_the_process()
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
        long serial = 0;
        await using var producer = new KafkaProducer<string?, byte[]?>(new ProducerOptions
        {
            BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", Acks = Acks.Leader, EnableIdempotence = false, BatchBytes = 128 << 10, RetryBackoffMax = TimeSpan.FromMilliseconds(100),
        });

        async Task LoadAsync(int topic, CancellationToken stop)
        {
            var sizes = new Random(seed + topic);
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

        using var stop = new CancellationTokenSource();
        Task[] load = [.. Enumerable.Range(0, Topics).Select(topic => LoadAsync(topic, stop.Token))];
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
            await CheckAsync(broker, $"kills-{topic}", kept, seed);
        }

        TestContext.Current.SendDiagnosticMessage($"{rounds} kills, {kept.Count} records acknowledged");
        Assert.True(broker.ErrorLines.Count == 0, $"seed {seed}: the broker logged errors:\n{string.Join('\n', broker.ErrorLines.Take(20))}");
    }

    /// <summary>Reads the topic from its beginning: each acknowledged record is where the broker said.</summary>
    private static async Task CheckAsync(BrokerProcess broker, string topic, ConcurrentDictionary<(string Topic, long Offset), long> kept, int seed)
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

        string[] wrong = [.. kept.Where(pair => pair.Key.Topic == topic && found.GetValueOrDefault(pair.Key.Offset) != pair.Value).Select(pair => $"offset {pair.Key.Offset}: record {pair.Value} was acknowledged, {found.GetValueOrDefault(pair.Key.Offset)} is there")];
        Assert.True(wrong.Length == 0, $"seed {seed}: {topic} lost {wrong.Length} of {kept.Count}:\n{string.Join('\n', wrong.Take(20))}");
    }
}
