using System.Buffers.Binary;
using System.Diagnostics;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Serialization;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>One consumer of a load: reads its share of the partitions.</summary>
internal sealed class KafkaLoadConsumer : IAsyncDisposable
{
    private readonly KafkaLoadOptions _options;
    private readonly KafkaLoadShare _share;
    private readonly KafkaConsumer<Ignored, long> _consumer;
    private long _bytes;

    public KafkaLoadConsumer(KafkaLoadOptions options, KafkaLoadShare share)
    {
        _options = options;
        _share = share;
        _consumer = new(
            new ConsumerOptions
            {
                BootstrapServers = options.BootstrapServers,
                ClientId = "sluice load",
                Sasl = options.Sasl,
                Tls = options.Tls,
                RetriesFirstConnection = options.RetriesFirstConnection,
                OnBackgroundError = options.OnBackgroundError,
                FetchMinBytes = options.FetchMinBytes,
                PartitionFetchMaxBytes = options.FetchBytes,
                AutoOffsetReset = AutoOffsetReset.Earliest,
                CreateTopics = true,
            },
            valueDeserializer: new SentAt());
    }

    public LatencyHistogram Latency { get; } = new();

    /// <summary>Of values.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>When the last record came.</summary>
    public long LastAt { get; private set; }

    /// <summary>Takes every so many of the topic's partitions, from the end on if records are to be sent, else from the beginning.</summary>
    public async Task PrepareAsync(int index, CancellationToken cancel)
    {
        IReadOnlyList<TopicPartition> all = await _consumer.PartitionsAsync(_options.Topic, cancel).ConfigureAwait(false);
        TopicPartition[] own = [.. all.Where(partition => partition.Partition % _options.Consumers == index)];
        IReadOnlyDictionary<TopicPartition, long> offsets = _options.Producers > 0
            ? await _consumer.EndOffsetsAsync(own, cancel).ConfigureAwait(false)
            : await _consumer.BeginningOffsetsAsync(own, cancel).ConfigureAwait(false);
        _consumer.Assign(own);
        foreach ((TopicPartition partition, long offset) in offsets)
        {
            _consumer.Seek(partition, offset);
        }
    }

    /// <summary>Consumes until all consumers together have what is wanted, or nothing comes any more.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        bool measures = _options.Producers > 0 && _options.ValueBytes >= sizeof(long);
        long heardAt = Stopwatch.GetTimestamp();
        while (!_share.IsDone)
        {
            ConsumedRecord<Ignored, long>? taken = await _consumer.ConsumeAsync(TimeSpan.FromMilliseconds(100), cancel).ConfigureAwait(false);
            if (taken is not { } record)
            {
                if (Stopwatch.GetElapsedTime(heardAt).TotalSeconds > _options.IdleSeconds)
                {
                    return;
                }

                continue;
            }

            long number = _share.Take();
            Volatile.Write(ref _bytes, _bytes + Math.Max(0, record.ValueBytes));
            if (measures)
            {
                heardAt = Stopwatch.GetTimestamp();
                Latency.Record(heardAt - record.Value);
            }
            else if ((number & 0xFF) == 0)
            {
                heardAt = Stopwatch.GetTimestamp();
            }
        }

        LastAt = Stopwatch.GetTimestamp();
    }

    public ValueTask DisposeAsync() => _consumer.DisposeAsync();

    private sealed class SentAt : IDeserializer<long>
    {
        public long Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => bytes.Length >= sizeof(long) ? BinaryPrimitives.ReadInt64BigEndian(bytes) : 0;
    }
}

/// <summary>The records that all consumers of a load take together. Thread-safe.</summary>
internal sealed class KafkaLoadShare(long wanted)
{
    private long _taken;

    public long Taken => Volatile.Read(ref _taken);

    public bool IsDone => Taken >= wanted;

    /// <summary>Counts one more.</summary>
    public long Take() => Interlocked.Increment(ref _taken);
}
