using Sluice.Broker.Queues;

namespace Sluice.Broker.Hosts;

/// <summary>Which exclusive queues go with which connection. Guarded by the virtual host's control lock.</summary>
internal sealed class OwnedQueues
{
    private readonly Dictionary<object, List<StoredQueue>> _byOwner = new(ReferenceEqualityComparer.Instance);

    public void Add(StoredQueue queue, object owner)
    {
        if (!_byOwner.TryGetValue(owner, out List<StoredQueue>? owned))
        {
            _byOwner[owner] = owned = [];
        }

        owned.Add(queue);
    }

    public void Remove(StoredQueue queue)
    {
        if (queue.Owner is not null && _byOwner.TryGetValue(queue.Owner, out List<StoredQueue>? owned))
        {
            owned.Remove(queue);
        }
    }

    /// <summary>The owner has gone: its queues, to be deleted.</summary>
    public IReadOnlyList<StoredQueue> Release(object owner) => _byOwner.Remove(owner, out List<StoredQueue>? owned) ? owned : [];

    public void Clear() => _byOwner.Clear();
}
