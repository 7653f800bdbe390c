using Sluice.Broker.Queues;

namespace Sluice.Broker.Publishing;

/// <summary>
/// The record batches that a turn gathers: one for each lane of a queue, and another when that is full. Stages are kept for the next turn; of one very
/// wide turn they are let go again when narrow ones follow.
/// </summary>
internal sealed class StageList(int batchBytesMax) : IDisposable
{
    private const int BatchBytes = 4 << 20;
    private const int KeptMax = 64;
    private const int NarrowTurnsBeforeShrink = 256;

    private readonly Dictionary<(StoredQueue Queue, int Lane), Stage> _newestByLane = [];
    private Stage?[] _stages = [];
    private int _narrowTurns;

    public int Count { get; private set; }

    /// <summary>Bytes of all batches.</summary>
    public long Bytes { get; private set; }

    public Stage this[int index] => _stages[index]!;

    /// <summary>The stage for a record of at most this size. Finish with <see cref="Added"/>.</summary>
    public Stage Find(StoredQueue queue, int lane, long recordBytes)
    {
        if (Count > 0)
        {
            Stage last = _stages[Count - 1]!;
            if (ReferenceEquals(last.Queue, queue) && last.Lane == lane && last.HasRoom(recordBytes))
            {
                return last;
            }

            if (_newestByLane.TryGetValue((queue, lane), out Stage? newest) && newest.HasRoom(recordBytes))
            {
                return newest;
            }
        }

        if (Count == _stages.Length)
        {
            Array.Resize(ref _stages, Math.Max(4, _stages.Length * 2));
        }

        Stage stage = _stages[Count++] ??= new Stage(Math.Min(BatchBytes, batchBytesMax));
        stage.Begin(queue, lane);
        _newestByLane[(queue, lane)] = stage;
        return stage;
    }

    public void Added(int bytes) => Bytes += bytes;

    public void MoveTimes(long deltaMs)
    {
        for (int i = 0; i < Count && deltaMs != 0; i++)
        {
            _stages[i]!.MoveTimes(deltaMs);
        }
    }

    public void Clear()
    {
        for (int i = 0; i < Count; i++)
        {
            _stages[i]!.Clear();
        }

        _newestByLane.Clear();
        if (_stages.Length > KeptMax)
        {
            _narrowTurns = Count * 4 > _stages.Length ? 0 : _narrowTurns + 1;
            if (_narrowTurns > NarrowTurnsBeforeShrink)
            {
                Release(KeptMax);
                Array.Resize(ref _stages, KeptMax);
                _newestByLane.TrimExcess();
                _narrowTurns = 0;
            }
        }

        Count = 0;
        Bytes = 0;
    }

    public void Dispose()
    {
        Release(0);
        _stages = [];
        Count = 0;
    }

    private void Release(int from)
    {
        for (int i = from; i < _stages.Length; i++)
        {
            _stages[i]?.Dispose();
            _stages[i] = null;
        }
    }
}
