using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>Has partitions forget producers that have written nothing for long, from time to time.</summary>
internal sealed class ProducerExpiry : IThreadPoolWorkItem, IDisposable
{
    private readonly TransactionOptions _options;
    private readonly Func<VirtualHost?> _host;
    private readonly IScheduler _scheduler;
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;

    public ProducerExpiry(TransactionOptions options, Func<VirtualHost?> host, IScheduler scheduler, TimeProvider clock)
    {
        _options = options;
        _host = host;
        _scheduler = scheduler;
        _clock = clock;
        var interval = TimeSpan.FromMilliseconds(options.ProducerIdCheckMs);
        _timer = clock.CreateTimer(static state => ((ProducerExpiry)state!).Post(), this, interval, interval);
    }

    void IThreadPoolWorkItem.Execute()
    {
        long before = _clock.GetUtcNow().ToUnixTimeMilliseconds() - _options.ProducerIdExpirationMs;
        foreach (TopicPartition partition in _host()?.ListTopics().SelectMany(static topic => topic.Partitions) ?? [])
        {
            partition.RemoveExpiredProducers(before);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Post() => _scheduler.Post(this);
}
