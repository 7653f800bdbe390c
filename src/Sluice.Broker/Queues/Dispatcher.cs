using Sluice.Broker.Messages;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// Who consumes from a queue, and handing its ready messages to them. Made for a queue when its first consumer comes. Guarded by the queue's lock.
/// </summary>
internal sealed class Dispatcher(CompetingQueue queue)
{
    private readonly ConsumerList _consumers = new() { SingleActive = queue.Settings.SingleActiveConsumer };

    public int Count => _consumers.Count;

    /// <summary>The single active consumer; null if the queue has none.</summary>
    public Consumer? Active => _consumers.Active;

    /// <summary>There was a consumer at some time.</summary>
    public bool HadConsumer { get; private set; }

    /// <summary>Whether a consumer can take a message now.</summary>
    public bool IsAwaited => _consumers.AnyReady();

    public IReadOnlyList<Consumer> ToList() => _consumers.ToList();

    /// <summary>Adds a consumer unless exclusive use forbids it.</summary>
    public BrokerResult Add(Consumer consumer)
    {
        if (consumer.Exclusive && _consumers.SingleActive)
        {
            return new BrokerResult(BrokerStatus.ExclusiveUse, $"queue '{queue.Name}' in vhost '{queue.Host.Name}' has a single active consumer and takes no exclusive one");
        }

        if (_consumers.HasExclusive || (consumer.Exclusive && _consumers.Count > 0))
        {
            return new BrokerResult(BrokerStatus.ExclusiveUse, $"queue '{queue.Name}' in vhost '{queue.Host.Name}' in exclusive use");
        }

        HadConsumer = true;
        _consumers.Add(consumer);
        return BrokerResult.Ok;
    }

    /// <summary>False if it is none of them.</summary>
    public bool Remove(Consumer consumer) => _consumers.Remove(consumer);

    /// <summary>Serves consumers while one can take and a message is ready.</summary>
    public void Run()
    {
        LaneSet lanes = queue.Lanes;
        Lane? runLane = null;
        long runFrom = 0, runTo = 0;
        bool any = false;
        while (_consumers.AnyReady())
        {
            Lane? lane = lanes.PeekNext(out RecordView record, out bool redelivered, out _);
            if (lane is null)
            {
                break;
            }

            var delivery = new Delivery { Id = new MessageId(lane.Level, record.Offset), Redelivered = redelivered };
            MessageRecord.Read(record, out delivery.Message);
            if (queue.IsExpired(delivery.Message) && record.Offset < lane.FreshFrom)
            {
                new TakenMessages(queue).TakeToKill(lane, record, DeathReason.Expired);
                continue;
            }

            Consumer? consumer = _consumers.NextReady();
            if (consumer is null)
            {
                break;
            }

            new TakenMessages(queue).CountDeliveries(lane, ref delivery);
            long offset = record.Offset;
            int bodyLength = record.Value.Length;
            consumer.Deliver(delivery);
            any = true;
            bool inOrder = lanes.Take(delivery.Id, bodyLength);
            if (!consumer.AutoSettle)
            {
                continue;
            }

            lanes.Forget(delivery.Id);
            if (!inOrder)
            {
                lane.SettleTaken(offset);
            }
            else if (runLane == lane && runTo == offset)
            {
                runTo = offset + 1;
            }
            else
            {
                runLane?.SettleTakenRange(runFrom, runTo);
                runLane = lane;
                runFrom = offset;
                runTo = offset + 1;
            }
        }

        runLane?.SettleTakenRange(runFrom, runTo);
        if (any)
        {
            _consumers.EndRun();
            lanes.Prefetch();
        }
    }
}
