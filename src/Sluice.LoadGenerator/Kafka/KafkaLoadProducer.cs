using System.Buffers.Binary;
using System.Diagnostics;
using Sluice.Client;
using Sluice.Client.Producing;
using Sluice.Client.Serialization;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>One producer of a load: sends its share of the records and measures until each is acknowledged.</summary>
internal sealed class KafkaLoadProducer : IDeliveryObserver, IAsyncDisposable
{
    /// <summary>Different values, so that compression has something to do.</summary>
    private const int Values = 64;

    private readonly KafkaLoadOptions _options;
    private readonly long _count;
    private readonly KafkaProducer<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> _keyed;
    private readonly byte[][] _values;
    private readonly SemaphoreSlim? _window;
    private long _delivered;
    private long _failed;
    private Exception? _failure;

    public KafkaLoadProducer(KafkaLoadOptions options, long count, int number)
    {
        _options = options;
        _count = count;
        _window = options.Window > 0 ? new SemaphoreSlim(options.Window) : null;
        _keyed = new(options.ToProducer(), options.Keys > 0 ? null : new NullKey());
        var random = new Random(number);
        _values = [.. Enumerable.Range(0, Values).Select(_ => NewValue(random, options.ValueBytes))];
    }

    public LatencyHistogram Latency { get; } = new();

    /// <summary>Records acknowledged.</summary>
    public long Delivered => Volatile.Read(ref _delivered);

    public long Failed => Volatile.Read(ref _failed);

    /// <summary>The first failure.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>Learns of the topic, so that its look-up is not measured.</summary>
    public Task PrepareAsync(CancellationToken cancel) => _keyed.GetPartitionCountAsync(_options.Topic, cancel);

    public async Task RunAsync(CancellationToken cancel)
    {
        double ticksPerRecord = _options.Rate > 0 ? Stopwatch.Frequency * _options.Producers / _options.Rate : 0;
        long begin = Stopwatch.GetTimestamp();
        byte[] key = new byte[sizeof(int)];
        for (long i = 0; i < _count && !cancel.IsCancellationRequested; i++)
        {
            if (_window is not null)
            {
                await _window.WaitAsync(cancel).ConfigureAwait(false);
            }

            long due = Stopwatch.GetTimestamp();
            if (ticksPerRecord > 0)
            {
                long planned = begin + (long)(i * ticksPerRecord);
                await WaitAsync(planned, cancel).ConfigureAwait(false);
                due = planned;
            }

            byte[] value = _values[i % Values];
            if (value.Length >= sizeof(long))
            {
                // Copied before the call returns, or awaited.
                BinaryPrimitives.WriteInt64BigEndian(value, due);
            }

            if (_options.Keys > 0)
            {
                BinaryPrimitives.WriteInt32BigEndian(key, (int)(i % _options.Keys));
            }

            await _keyed.EnqueueAsync(new(_options.Topic, key, value), this, due, cancel).ConfigureAwait(false);
        }

        await _keyed.FlushAsync(cancel).ConfigureAwait(false);
    }

    public void OnDelivery(in RecordMetadata metadata, Exception? error, long token)
    {
        if (error is null)
        {
            Latency.Record(Stopwatch.GetTimestamp() - token);
            Volatile.Write(ref _delivered, _delivered + 1);
        }
        else
        {
            Interlocked.CompareExchange(ref _failure, error, null);
            Volatile.Write(ref _failed, _failed + 1);
        }

        _window?.Release();
    }

    public async ValueTask DisposeAsync()
    {
        await _keyed.DisposeAsync().ConfigureAwait(false);
        _window?.Dispose();
    }

    private static byte[] NewValue(Random random, int bytes)
    {
        byte[] value = new byte[bytes];
        for (int i = 0; i < bytes; i++)
        {
            value[i] = (byte)random.Next('A', 'Z' + 1);
        }

        return value;
    }

    private static async Task WaitAsync(long until, CancellationToken cancel)
    {
        TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), until);
        if (left > TimeSpan.FromMilliseconds(1))
        {
            await Task.Delay(left, cancel).ConfigureAwait(false);
        }
    }

    private sealed class NullKey : ISerializer<ReadOnlyMemory<byte>>
    {
        public bool TrySerialize(ReadOnlyMemory<byte> value, System.Buffers.IBufferWriter<byte> output) => false;
    }
}
