using Sluice.Broker.Queues;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;

namespace Sluice.Broker.Tests.Shares;

/// <summary>Share groups that are kept in memory and begin with the oldest record.</summary>
internal sealed class RecordingShareGroups(string virtualHost = "/") : IShareGroups
{
    private readonly Dictionary<(string, TopicPartition), Position> _positions = [];

    public string VirtualHost => virtualHost;

    /// <summary>How often groups are in use now.</summary>
    public int Uses { get; private set; }

    public BrokerResult Refusal { get; set; }

    /// <summary>The one there is.</summary>
    public Position Only => Assert.Single(_positions.Values);

    public ValueTask<BrokerResult<IReadOnlyList<ISharePosition>>> JoinAsync(string group, IReadOnlyList<TopicPartition> partitions, StreamStart? start)
    {
        if (!Refusal.IsOk)
        {
            return ValueTask.FromResult<BrokerResult<IReadOnlyList<ISharePosition>>>(Refusal);
        }

        Uses++;
        return ValueTask.FromResult<BrokerResult<IReadOnlyList<ISharePosition>>>(partitions.Select(partition => (ISharePosition)Of(group, partition)).ToArray());
    }

    public void Leave(string group) => Uses--;

    private Position Of(string group, TopicPartition partition)
    {
        if (!_positions.TryGetValue((group, partition), out Position? position))
        {
            _positions.Add((group, partition), position = new Position());
        }

        return position;
    }

    internal sealed class Position : ISharePosition
    {
        private readonly List<IShareListener> _listeners = [];

        public ShareCursor Cursor { get; } = new(0);

        public bool IsGone { get; set; }

        public bool ReadsCommitted { get; set; }

        public int ListenerCount => _listeners.Count;

        public bool TryPlan(object member, long logStartOffset, out long? offset)
        {
            Cursor.MoveStart(logStartOffset);
            offset = !IsGone && Cursor.CanAcquire(Request(member)) ? Cursor.FetchOffset : null;
            return !IsGone;
        }

        public bool TryTake(object member, long fetchOffset, long offset, out int deliveryCount) => Cursor.TryAcquire(fetchOffset, offset, Request(member), out deliveryCount);

        public void Settle(object member, ReadOnlySpan<long> offsets, AcknowledgeType type)
        {
            Cursor.Acknowledge(member, offsets, type, 5);
            Notify();
        }

        public void AddListener(IShareListener listener) => _listeners.Add(listener);

        public void RemoveListener(IShareListener listener) => _listeners.Remove(listener);

        public void Notify() => _listeners.ForEach(static listener => listener.OnChanged());

        private static AcquireRequest Request(object member) => AcquireRequest.Single(member, 2000, 5);
    }
}
