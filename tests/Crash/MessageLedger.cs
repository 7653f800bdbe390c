namespace Sluice.Crash;

/// <summary>
/// What was published, confirmed and delivered over all lives of the broker, for one queue. An epoch is one life of the broker.
/// Ids rise in the order of publishing: publisher number × 2^40 + sequence.
/// </summary>
internal sealed class MessageLedger(string queue)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, long> _lastPublished = [];
    private readonly HashSet<long> _unaccounted = [];
    private readonly Dictionary<long, int> _lastDelivered = [];
    private readonly List<string> _violations = [];
    private int _epoch;
    private int _drainedEpoch = -1;
    private Dictionary<long, long> _lastBeforeDrain = [];

    public string Queue { get; } = queue;

    public long Confirmed { get; private set; }

    public long Delivered { get; private set; }

    public long DeliveredAgain { get; private set; }

    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_lock)
            {
                return [.. _violations];
            }
        }
    }

    /// <summary>The broker has been killed and started again.</summary>
    public void NextEpoch()
    {
        lock (_lock)
        {
            _epoch++;
        }
    }

    /// <summary>Notes something that must not happen.</summary>
    public void Violate(string what)
    {
        lock (_lock)
        {
            _violations.Add(what);
        }
    }

    public void Publishing(long id)
    {
        lock (_lock)
        {
            _lastPublished[id >> 40] = id;
        }
    }

    public void Confirm(long id)
    {
        lock (_lock)
        {
            Confirmed++;
            if (!_lastDelivered.ContainsKey(id))
            {
                _unaccounted.Add(id);
            }
        }
    }

    public void Deliver(long id, bool redelivered)
    {
        lock (_lock)
        {
            Delivered++;
            _unaccounted.Remove(id);
            if (!IsUpTo(_lastPublished, id))
            {
                _violations.Add($"{Queue}: message {id} was delivered and never published");
            }

            if (_lastDelivered.TryGetValue(id, out int last))
            {
                DeliveredAgain++;
                if (last == _epoch && !redelivered)
                {
                    _violations.Add($"{Queue}: message {id} came twice within one life of the broker and not marked as redelivered");
                }
            }

            // Emptied in an earlier life and not handed out in that life or since: its acknowledgement has already outlived a crash.
            if (IsUpTo(_lastBeforeDrain, id) && last < _drainedEpoch && _drainedEpoch < _epoch)
            {
                _violations.Add($"{Queue}: message {id}, last delivered in life {last}, came back in life {_epoch} though the queue was emptied in life {_drainedEpoch}");
            }

            _lastDelivered[id] = _epoch;
        }
    }

    /// <summary>The queue has been emptied: every confirmed message must have been delivered by now.</summary>
    public void Drained()
    {
        lock (_lock)
        {
            foreach (long id in _unaccounted.Order().Take(10))
            {
                _violations.Add($"{Queue}: message {id} was confirmed and is lost (found in life {_epoch})");
            }

            if (_unaccounted.Count > 10)
            {
                _violations.Add($"{Queue}: {_unaccounted.Count} confirmed messages are lost in all");
            }

            _unaccounted.Clear();
            _drainedEpoch = _epoch;
            _lastBeforeDrain = new Dictionary<long, long>(_lastPublished);
        }
    }

    private static bool IsUpTo(Dictionary<long, long> lastByPublisher, long id) => lastByPublisher.TryGetValue(id >> 40, out long last) && id <= last;
}
