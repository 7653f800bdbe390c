namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>
/// At most one time for each name, behind one timer of the clock. Times are Unix ms, since they follow from what is kept. Guarded by its owner's lock, but for the call of
/// <c>onDue</c>, which must take it.
/// </summary>
internal sealed class Deadlines : IDisposable
{
    private static readonly TimeSpan s_timerMax = TimeSpan.FromDays(1);
    private static readonly long s_dueMsMax = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private readonly Dictionary<string, long> _dueMs = new(StringComparer.Ordinal);
    private readonly SortedSet<(long DueMs, string Name)> _order = new(Comparer<(long DueMs, string Name)>.Create(static (a, b) =>
        a.DueMs != b.DueMs ? a.DueMs.CompareTo(b.DueMs) : string.CompareOrdinal(a.Name, b.Name)));

    private readonly TimeProvider _clock;
    private readonly ITimer _timer;

    public Deadlines(TimeProvider clock, Action onDue)
    {
        _clock = clock;
        _timer = clock.CreateTimer(static state => ((Action)state!)(), onDue, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A time that the clock cannot reach is its last one, or its first.</summary>
    public void Set(string name, long dueMs)
    {
        dueMs = Math.Clamp(dueMs, 0, s_dueMsMax);
        bool wasFirst = Forget(name);
        _dueMs.Add(name, dueMs);
        _order.Add((dueMs, name));
        if (wasFirst || _order.Min.Name == name)
        {
            Arm();
        }
    }

    public void Remove(string name) => Forget(name);

    /// <summary>Takes out a name whose time has come; null: there is none, and the timer waits for the next.</summary>
    public string? TakeDue()
    {
        if (_order.Count == 0 || _order.Min.DueMs > _clock.GetUtcNow().ToUnixTimeMilliseconds())
        {
            Arm();
            return null;
        }

        string name = _order.Min.Name;
        Forget(name);
        return name;
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>True if it was the first.</summary>
    private bool Forget(string name)
    {
        if (!_dueMs.Remove(name, out long dueMs))
        {
            return false;
        }

        bool wasFirst = _order.Min.Name == name;
        _order.Remove((dueMs, name));
        return wasFirst;
    }

    private void Arm()
    {
        if (_order.Count > 0)
        {
            TimeSpan delay = DateTimeOffset.FromUnixTimeMilliseconds(_order.Min.DueMs) - _clock.GetUtcNow();
            _timer.Change(delay < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : delay > s_timerMax ? s_timerMax : delay, Timeout.InfiniteTimeSpan);
        }
    }
}
