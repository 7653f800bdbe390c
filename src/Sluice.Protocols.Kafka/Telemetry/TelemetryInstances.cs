namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>The client instances that are remembered, limited in number and in what their values take; who was not heard of for longest goes first. Not thread-safe.</summary>
internal sealed class TelemetryInstances(TelemetryOptions options)
{
    private const long SweepMs = 10_000;

    private readonly Dictionary<Guid, LinkedListNode<TelemetryInstance>> _byId = [];

    /// <summary>The last one of each connection that has begun one.</summary>
    private readonly Dictionary<long, TelemetryInstance> _byConnection = [];

    /// <summary>Who was not heard of for longest comes first.</summary>
    private readonly LinkedList<TelemetryInstance> _byUse = [];

    private long _keptBytes;
    private long _sweptMs;

    public IEnumerable<TelemetryInstance> All => _byUse;

    /// <summary>The instance, which is heard of now; a new one if it is not there or too old.</summary>
    public TelemetryInstance Use(Guid id, long nowMs)
    {
        if (nowMs - _sweptMs >= SweepMs)
        {
            Sweep(nowMs);
        }

        if (_byId.TryGetValue(id, out LinkedListNode<TelemetryInstance>? node) && node.Value.IsExpired(nowMs))
        {
            Remove(node);
            node = null;
        }

        if (node is null)
        {
            if (_byId.Count >= options.InstancesMax)
            {
                Remove(_byUse.First!);
            }

            node = new LinkedListNode<TelemetryInstance>(new TelemetryInstance(id));
            _byId.Add(id, node);
        }
        else
        {
            _byUse.Remove(node);
        }

        _byUse.AddLast(node);
        node.Value.UsedMs = nowMs;
        return node.Value;
    }

    /// <summary>The connection's end is that of the instance.</summary>
    public void Bind(long connection, TelemetryInstance instance) => _byConnection[connection] = instance;

    public void Disconnected(long connection)
    {
        if (_byConnection.Remove(connection, out TelemetryInstance? instance))
        {
            instance.End();
        }
    }

    /// <summary>Takes the values of a push; others lose theirs when there is no room.</summary>
    public void Keep(TelemetryInstance instance, IReadOnlyList<ClientMetric> values, int leftOff, long nowMs)
    {
        if (!_byId.TryGetValue(instance.Id, out LinkedListNode<TelemetryInstance>? node) || node.Value != instance)
        {
            return;
        }

        _keptBytes -= instance.KeptBytes;
        instance.Keep(values, leftOff, nowMs);
        _keptBytes += instance.KeptBytes;
        for (LinkedListNode<TelemetryInstance>? oldest = _byUse.First; oldest is not null && _keptBytes > options.KeptBytesMax; oldest = oldest.Next)
        {
            _keptBytes -= oldest.Value.KeptBytes;
            oldest.Value.Drop();
        }
    }

    /// <summary>Forgets those that have not been heard of for too long.</summary>
    public void Sweep(long nowMs)
    {
        _sweptMs = nowMs;
        for (LinkedListNode<TelemetryInstance>? node = _byUse.First; node is not null;)
        {
            LinkedListNode<TelemetryInstance>? next = node.Next;
            if (node.Value.IsExpired(nowMs))
            {
                Remove(node);
            }

            node = next;
        }
    }

    private void Remove(LinkedListNode<TelemetryInstance> node)
    {
        _byUse.Remove(node);
        _byId.Remove(node.Value.Id);
        _keptBytes -= node.Value.KeptBytes;

        // Its connection may know it for much longer.
        node.Value.Drop();
    }
}
