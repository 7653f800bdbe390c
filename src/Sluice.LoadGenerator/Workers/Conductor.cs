using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Sluice.LoadGenerator.Workers;

/// <summary>Watches the workers, takes the measurements, ends the run.</summary>
internal sealed class Conductor(
    AmqpLoadOptions options, LoadRun run, List<Producer> producers, List<Consumer> consumers, Action<AmqpLoadProgress>? progress, CancellationToken cancel)
{
    private const int StepMs = 20;
    private readonly ProcessTree? _broker = options.BrokerProcessId == 0 ? null : new ProcessTree(options.BrokerProcessId);
    private readonly long _startedAt = LoadRun.Now;
    private long _progressAt;
    private Sample _progressSample;

    private long Published => producers.Sum(producer => producer.Done);

    private long Confirmed => producers.Sum(producer => producer.Confirmed);

    private long Consumed => consumers.Sum(consumer => consumer.Done);

    /// <summary>Deliveries that each published message should lead to.</summary>
    private int Copies => options is { Exchange.Length: > 0, ExchangeType: "fanout" } ? options.Queues : 1;

    public AmqpLoadResult Conduct()
    {
        _progressSample = Take();
        _progressAt = _progressSample.At;
        bool byCount = options.MessageCount > 0;
        run.MeasureSince = byCount ? 0 : long.MaxValue;
        consumers.ForEach(consumer => consumer.Start());
        producers.ForEach(producer => producer.Start());
        Sample from = _progressSample;
        if (!byCount)
        {
            WaitUntil(_startedAt + Ticks(options.WarmUpSeconds), () => false);
            run.MeasureSince = LoadRun.Now;
            from = Take();
        }

        Sample to;
        if (byCount)
        {
            WaitUntil(long.MaxValue, () => producers.TrueForAll(producer => !producer.IsRunning));
            AwaitConsumers(producers.Count > 0 ? Published * Copies : options.MessageCount);
            to = Take();
            run.ProducersStop = true;
        }
        else
        {
            WaitUntil(from.At + Ticks(options.Seconds), () => producers.Count > 0 && producers.TrueForAll(producer => !producer.IsRunning));
            to = Take();
            run.ProducersStop = true;
            producers.ForEach(producer => producer.Join());
            ThrowFailure();
            if (producers.Count > 0)
            {
                AwaitConsumers(Published * Copies);
            }
        }

        run.ConsumersStop = true;
        producers.ForEach(producer => producer.Join());
        consumers.ForEach(consumer => consumer.Join());
        ThrowFailure();
        return Report(from, to, byCount);
    }

    private AmqpLoadResult Report(Sample from, Sample to, bool byCount)
    {
        double seconds = Seconds(to.At - from.At);
        double publishSeconds = seconds;
        double consumeSeconds = seconds;
        if (byCount)
        {
            publishSeconds = producers.Count > 0 ? Seconds(producers.Max(producer => producer.LastAt) - from.At) : seconds;
            consumeSeconds = Consumed > 0 ? Seconds(consumers.Max(consumer => consumer.LastAt) - consumers.Where(consumer => consumer.FirstAt > 0).Min(consumer => consumer.FirstAt)) : seconds;
            seconds = Math.Max(publishSeconds, consumeSeconds);
        }

        long published = to.Published - from.Published;
        long consumed = to.Consumed - from.Consumed;
        double messages = Math.Max(1, published > 0 && consumed > 0 ? (published + consumed) / 2.0 : Math.Max(published, consumed));
        LatencyHistogram latency = new();
        consumers.ForEach(consumer => latency.Add(consumer.Latency));
        LatencyHistogram confirmLatency = new();
        foreach (LatencyHistogram measured in producers.Select(producer => producer.ConfirmLatency).OfType<LatencyHistogram>())
        {
            confirmLatency.Add(measured);
        }
        return new AmqpLoadResult
        {
            Seconds = seconds,
            PublishedPerSecond = published / publishSeconds,
            ConfirmedPerSecond = (to.Confirmed - from.Confirmed) / publishSeconds,
            ConsumedPerSecond = consumed / consumeSeconds,
            TotalPublished = Published,
            TotalConfirmed = Confirmed,
            TotalNacked = producers.Sum(producer => producer.Nacked),
            TotalConsumed = Consumed,
            TotalRedelivered = consumers.Sum(consumer => consumer.Redelivered),
            Latency = latency.Count > 0 ? latency.Summarise() : null,
            ConfirmLatency = confirmLatency.Count > 0 ? confirmLatency.Summarise() : null,
            ClientCpuUsPerMessage = (to.ClientCpuSeconds - from.ClientCpuSeconds) * 1e6 / messages,
            BrokerCpuUsPerMessage = _broker is null ? null : (to.BrokerCpuSeconds - from.BrokerCpuSeconds) * 1e6 / messages,
            BrokerCpuShare = _broker is null ? null : (to.BrokerCpuSeconds - from.BrokerCpuSeconds) / Seconds(to.At - from.At),
            BrokerResidentBytes = _broker?.ResidentBytes(),
            BlockedCount = producers.Sum(producer => producer.Client.BlockedCount),
            Problems = Problems(),
        };
    }

    private List<string> Problems()
    {
        List<string> problems = [];
        long expected = producers.Count > 0 ? Published * Copies : options.MessageCount;
        if (consumers.Count > 0 && expected > 0 && Consumed != expected && !cancel.IsCancellationRequested && producers.Count > 0)
        {
            problems.Add(Consumed < expected ? $"{expected - Consumed} messages were published and not delivered" : $"{Consumed - expected} more messages were delivered than published");
        }

        if (consumers.Count > 0 && producers.Count == 0 && Consumed < expected && !cancel.IsCancellationRequested)
        {
            problems.Add($"the queues ran dry after {Consumed} of {expected} messages");
        }

        long nacked = producers.Sum(producer => producer.Nacked);
        if (nacked > 0)
        {
            problems.Add($"the server refused to keep {nacked} messages (nack)");
        }

        return problems;
    }

    /// <summary>Waits until this many messages have been consumed, or none has come for a while.</summary>
    private void AwaitConsumers(long expected)
    {
        if (consumers.Count == 0)
        {
            return;
        }

        long last = -1;
        long idleSince = LoadRun.Now;
        WaitUntil(long.MaxValue, () =>
        {
            long consumed = Consumed;
            if (consumed != last)
            {
                last = consumed;
                idleSince = LoadRun.Now;
            }

            return consumed >= expected || LoadRun.Now - idleSince > Ticks(options.IdleSeconds);
        });
    }

    /// <summary>Sleeps in short steps until a time, a condition, cancellation or the failure of a worker.</summary>
    private void WaitUntil(long at, Func<bool> orElse)
    {
        while (LoadRun.Now < at && !orElse() && !cancel.IsCancellationRequested)
        {
            ThrowFailure();
            double leftMs = at == long.MaxValue ? StepMs : (at - LoadRun.Now) * 1000.0 / Stopwatch.Frequency;
            Thread.Sleep((int)Math.Clamp(leftMs, 0, StepMs));
            if (progress is not null && LoadRun.Now - _progressAt >= Stopwatch.Frequency)
            {
                Sample sample = Take();
                double seconds = Seconds(sample.At - _progressSample.At);
                progress(new AmqpLoadProgress(
                    Seconds(sample.At - _startedAt),
                    sample.Published,
                    sample.Consumed,
                    (sample.Published - _progressSample.Published) / seconds,
                    (sample.Consumed - _progressSample.Consumed) / seconds));
                _progressSample = sample;
                _progressAt = sample.At;
            }
        }
    }

    private void ThrowFailure()
    {
        foreach (Worker worker in producers.Concat<Worker>(consumers))
        {
            if (worker.Failure is { } failure)
            {
                ExceptionDispatchInfo.Throw(failure);
            }
        }
    }

    private Sample Take() => new(LoadRun.Now, Published, Confirmed, Consumed, Environment.CpuUsage.TotalTime.TotalSeconds, _broker?.CpuSeconds() ?? 0);

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private static double Seconds(long ticks) => Math.Max(1, ticks) / (double)Stopwatch.Frequency;

    private readonly record struct Sample(long At, long Published, long Confirmed, long Consumed, double ClientCpuSeconds, double BrokerCpuSeconds);
}
