using System.Collections.Concurrent;

namespace Sluice.Client.Producing;

/// <summary>Records that could not be added at once, by topic: as long as any waits, those that come after it wait behind it, so that their order holds. Thread-safe.</summary>
internal sealed class WaitingLanes
{
    private readonly ConcurrentDictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Lock _sync = new();
    private int _waiting;
    private TaskCompletionSource? _empty;

    /// <summary>Whether a record of the topic waits.</summary>
    public bool IsBusy(string topic) => Volatile.Read(ref _waiting) > 0 && _lanes.ContainsKey(topic);

    /// <summary>Takes a place at the end.</summary>
    public Lane Enter(string topic)
    {
        lock (_sync)
        {
            Lane lane = _lanes.GetOrAdd(topic, static _ => new Lane());
            lane.Count++;
            _waiting++;
            return lane;
        }
    }

    /// <summary>Completes once no record waits.</summary>
    public Task WhenEmptyAsync(CancellationToken cancel)
    {
        lock (_sync)
        {
            if (_waiting == 0)
            {
                return Task.CompletedTask;
            }

            _empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _empty.Task.WaitAsync(cancel);
        }
    }

    /// <summary>Gives the place up.</summary>
    /// <param name="topic">Of the lane.</param>
    /// <param name="lane">What <see cref="Enter"/> gave.</param>
    /// <param name="hadTurn">It was its turn: the next has it now.</param>
    public void Leave(string topic, Lane lane, bool hadTurn)
    {
        TaskCompletionSource? empty = null;
        lock (_sync)
        {
            if (hadTurn)
            {
                lane.Turn.Release();
            }

            if (--_waiting == 0)
            {
                empty = _empty;
                _empty = null;
            }

            if (--lane.Count == 0)
            {
                _lanes.TryRemove(topic, out _);
                lane.Dispose();
            }
        }

        empty?.TrySetResult();
    }

    internal sealed class Lane : IDisposable
    {
        /// <summary>First come, first served.</summary>
        public SemaphoreSlim Turn { get; } = new(1);

        public int Count { get; set; }

        public void Dispose() => Turn.Dispose();
    }
}
