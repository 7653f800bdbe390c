using System.Diagnostics;

namespace Sluice.LoadGenerator.Kafka;

/// <summary>Runs a load against a Kafka broker with Sluice's own client. Every run ends by waiting for what is outstanding and comparing counts.</summary>
public static class KafkaLoad
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs the load.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="progress">Called twice a second; null for none.</param>
    /// <param name="cancel">Ends the run.</param>
    /// <exception cref="Client.KafkaClientException">The broker is not there, or refuses.</exception>
    /// <exception cref="ArgumentException">The options make no sense.</exception>
    public static async Task<KafkaLoadResult> RunAsync(KafkaLoadOptions options, Action<KafkaLoadProgress>? progress = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        List<KafkaLoadProducer> producers = [];
        List<KafkaLoadConsumer> consumers = [];
        var share = new KafkaLoadShare(options.Records);
        try
        {
            for (int i = 0; i < options.Producers; i++)
            {
                producers.Add(new KafkaLoadProducer(options, (options.Records / options.Producers) + (i < options.Records % options.Producers ? 1 : 0), i));
                await producers[i].PrepareAsync(cancel).ConfigureAwait(false);
            }

            for (int i = 0; i < options.Consumers; i++)
            {
                consumers.Add(new KafkaLoadConsumer(options, share));
                await consumers[i].PrepareAsync(i, cancel).ConfigureAwait(false);
            }

            return await MeasureAsync(options, producers, consumers, share, progress, cancel).ConfigureAwait(false);
        }
        finally
        {
            foreach (KafkaLoadProducer producer in producers)
            {
                await producer.DisposeAsync().ConfigureAwait(false);
            }

            foreach (KafkaLoadConsumer consumer in consumers)
            {
                await consumer.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private static async Task<KafkaLoadResult> MeasureAsync(KafkaLoadOptions options, List<KafkaLoadProducer> producers, List<KafkaLoadConsumer> consumers, KafkaLoadShare share, Action<KafkaLoadProgress>? progress, CancellationToken cancel)
    {
        using var process = Process.GetCurrentProcess();
        ProcessTree? broker = options.BrokerProcessId > 0 ? new ProcessTree(options.BrokerProcessId) : null;
        TimeSpan cpuBefore = process.TotalProcessorTime;
        double brokerBefore = broker?.CpuSeconds() ?? 0;
        int collectionsBefore = GC.CollectionCount(0);
        long begin = Stopwatch.GetTimestamp();

        Task producing = Task.WhenAll(producers.Select(producer => Task.Run(() => producer.RunAsync(cancel), cancel)));
        Task consuming = Task.WhenAll(consumers.Select(consumer => Task.Run(() => consumer.RunAsync(cancel), cancel)));
        Task all = Task.WhenAll(producing, consuming);
        double producedSeconds = 0;
        while (await Task.WhenAny(all, producedSeconds == 0 ? producing : all, Task.Delay(ProgressInterval, cancel)).ConfigureAwait(false) is { } ended && ended != all)
        {
            if (producing.IsCompleted && producedSeconds == 0)
            {
                producedSeconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            }

            progress?.Invoke(new KafkaLoadProgress(Stopwatch.GetElapsedTime(begin).TotalSeconds, producers.Sum(producer => producer.Delivered), share.Taken));
            if (cancel.IsCancellationRequested)
            {
                break;
            }
        }

        await all.ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        producedSeconds = producedSeconds == 0 ? seconds : producedSeconds;
        double consumedSeconds = consumers.Count == 0 ? 0 : Math.Max(1e-6, consumers.Max(consumer => consumer.LastAt == 0 ? seconds : Stopwatch.GetElapsedTime(begin, consumer.LastAt).TotalSeconds));
        process.Refresh();
        long produced = producers.Sum(producer => producer.Delivered);
        long consumed = share.Taken;
        double records = Math.Max(1, produced + consumed);
        return new KafkaLoadResult
        {
            Seconds = seconds,
            Produced = produced,
            ProducedPerSecond = produced / producedSeconds,
            ProducedMegabytesPerSecond = produced * (double)options.ValueBytes / producedSeconds / (1 << 20),
            Consumed = consumed,
            ConsumedPerSecond = consumed == 0 ? 0 : consumed / consumedSeconds,
            ConsumedMegabytesPerSecond = consumed == 0 ? 0 : consumers.Sum(consumer => consumer.Bytes) / consumedSeconds / (1 << 20),
            ProduceLatency = producers.Count > 0 ? Summarise(producers.Select(producer => producer.Latency)) : null,
            EndToEndLatency = producers.Count > 0 && consumers.Count > 0 ? Summarise(consumers.Select(consumer => consumer.Latency)) : null,
            ClientCpuUsPerRecord = (process.TotalProcessorTime - cpuBefore).TotalMicroseconds / records,
            BrokerCpuUsPerRecord = broker is null ? null : (broker.CpuSeconds() - brokerBefore) * 1e6 / records,
            BrokerResidentBytes = broker?.ResidentBytes(),
            Collections = GC.CollectionCount(0) - collectionsBefore,
            Failure = FirstFailure(producers),
            Problems = [.. Problems(options, producers, produced, consumed)],
        };
    }

    private static LatencySummary? Summarise(IEnumerable<LatencyHistogram> histograms)
    {
        LatencyHistogram all = new();
        foreach (LatencyHistogram histogram in histograms)
        {
            all.Add(histogram);
        }

        return all.Count > 0 ? all.Summarise() : null;
    }

    private static Exception? FirstFailure(List<KafkaLoadProducer> producers) => producers.Select(static producer => producer.Failure).FirstOrDefault(static failure => failure is not null);

    private static IEnumerable<string> Problems(KafkaLoadOptions options, List<KafkaLoadProducer> producers, long produced, long consumed)
    {
        long failed = producers.Sum(producer => producer.Failed);
        if (failed > 0)
        {
            yield return $"{failed:N0} records were not acknowledged; the first: {FirstFailure(producers)!.Message}";
        }

        if (options.Consumers > 0 && consumed < (options.Producers > 0 ? produced : options.Records))
        {
            yield return $"only {consumed:N0} of {(options.Producers > 0 ? produced : options.Records):N0} records were consumed";
        }

        if (options.Consumers > 0 && options.Producers > 0 && consumed > produced + failed)
        {
            yield return $"{consumed - produced:N0} records more were consumed than sent";
        }
    }
}
