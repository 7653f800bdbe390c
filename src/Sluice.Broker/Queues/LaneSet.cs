using Microsoft.Extensions.Logging;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// The lanes of a queue, lowest priority first, and reading from them: what is not in memory is loaded off the queue's lock, and a part of a log that
/// cannot be read is isolated, loudly, while what lies behind it is served. Guarded by the queue's lock.
/// </summary>
internal sealed class LaneSet(CompetingQueue queue, Lane[] lanes) : IDisposable
{
    /// <summary>What is read of a file when nobody waits for messages: the head, to know when it expires.</summary>
    private const int LookBytes = 16 << 10;

    private const int WindowBytes = 256 << 10;

    private bool _stopped;

    public int Count => lanes.Length;

    public Lane this[int level] => lanes[level];

    public IReadOnlyList<LogId> LogIds => Array.ConvertAll(lanes, static lane => lane.Log.Id);

    /// <summary>Why a log gives no promises any more; null while all do.</summary>
    public Exception? Failure => Array.Find(lanes, static lane => lane.Log.PromiseFailure is not null)?.Log.PromiseFailure;

    public long Ready
    {
        get
        {
            long ready = 0;
            foreach (Lane lane in lanes)
            {
                ready += lane.ReadyCount;
            }

            return ready;
        }
    }

    public long Out
    {
        get
        {
            long taken = 0;
            foreach (Lane lane in lanes)
            {
                taken += lane.OutCount;
            }

            return taken;
        }
    }

    /// <summary>
    /// The lane and record of the next ready message, highest priority first; null if there is none, or if it is being loaded (<paramref name="loading"/>):
    /// then <see cref="CompetingQueue.LoadEnded"/> follows.
    /// </summary>
    public Lane? PeekNext(out RecordView record, out bool redelivered, out Lane? loading)
    {
        loading = null;
        for (int i = lanes.Length - 1; i >= 0; i--)
        {
            Lane lane = lanes[i];
            switch (Peek(lane, out record, out redelivered))
            {
                case PeekResult.Record:
                    return lane;
                case PeekResult.NeedsLoad:
                    loading = lane;
                    return null;
                case PeekResult.EndOfLog:
                    break;
            }
        }

        record = default;
        redelivered = false;
        return null;
    }

    /// <summary>The next ready message of one lane. NeedsLoad: it is being loaded.</summary>
    public PeekResult Peek(Lane lane, out RecordView record, out bool redelivered)
    {
        record = default;
        redelivered = false;
        while (lane.ReadyCount > 0 && !_stopped)
        {
            try
            {
                PeekResult result = lane.TryPeek(out record, out redelivered);
                if (result == PeekResult.NeedsLoad)
                {
                    Load(lane, lane.LoadOffset);
                }

                return result;
            }
            catch (LogFailedException e)
            {
                Isolate(lane, e);
            }
        }

        return PeekResult.EndOfLog;
    }

    /// <summary>Reads the next piece of a backlog ahead; lets go of one that is at its end.</summary>
    public void Prefetch()
    {
        foreach (Lane lane in lanes)
        {
            if (lane.WantsPrefetch(out long offset))
            {
                Load(lane, offset);
            }
            else if (lane.ReadyCount == 0 && lane.HoldsMemory)
            {
                lane.LetGo();
            }
        }
    }

    /// <summary>Gives back the memory held to read from.</summary>
    public void LetGo()
    {
        foreach (Lane lane in lanes)
        {
            lane.LetGo();
        }
    }

    /// <summary>Leaves out what a failed load was for.</summary>
    public void Isolate(Lane lane, IOException error)
    {
        if (error is LogFailedException { ResumeOffset: { } resume })
        {
            queue.Host.Logger.LogError(error, "Queue '{Queue}' in virtual host '{Host}': messages up to offset {Offset} cannot be read and are left out until the file is repaired and the broker restarted. Stop the broker and run 'sluice verify' on its data directory", queue.Name, queue.Host.Name, resume);
            lane.SkipTo(resume);
            queue.ReadyMessagesLost();
            return;
        }

        _stopped = true;
        queue.Host.Logger.LogError(error, "Queue '{Queue}' in virtual host '{Host}' stopped delivering: its log cannot be read. Stop the broker and run 'sluice verify' on its data directory", queue.Name, queue.Host.Name);
    }

    public void EndFresh()
    {
        foreach (Lane lane in lanes)
        {
            lane.EndFresh();
        }
    }

    public long Purge()
    {
        long purged = 0;
        foreach (Lane lane in lanes)
        {
            purged += lane.Purge();
        }

        return purged;
    }

    public void Dispose()
    {
        foreach (Lane lane in lanes)
        {
            lane.Dispose();
        }
    }

    private void Load(Lane lane, long offset)
    {
        LaneLoad load = lane.Load ??= new LaneLoad(queue, lane);
        if (!load.IsRunning)
        {
            load.Start(offset, queue.ConsumerCount == 0 ? LookBytes : WindowBytes);
        }
    }
}
