using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// The lanes of a queue, lowest priority first, and reading from them: what is not in memory is loaded off the queue's lock, and a part of a log that
/// cannot be read is isolated, loudly, while what lies behind it is served. What comes and goes is counted in bytes while there is a limit of bytes. Guarded by the queue's lock.
/// </summary>
internal sealed class LaneSet(CompetingQueue queue, Lane[] lanes) : IDisposable
{
    /// <summary>What is read of a file when nobody waits for messages: the head, to know when it expires.</summary>
    private const int LookBytes = 16 << 10;

    private const int WindowBytes = 256 << 10;

    private ReadyBytes? _bytes;
    private bool _stopped;

    public int Count => lanes.Length;

    public Lane this[int level] => lanes[level];

    /// <summary>By level. Never changes.</summary>
    public IReadOnlyList<Lane> All => lanes;

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

    /// <summary>Body bytes of the ready messages as far as they are counted, never more than they have; 0 while there is no limit of bytes.</summary>
    public long BytesReady
    {
        get
        {
            if (_bytes is { Total: not 0 } count && Ready == 0)
            {
                count.Clear();
            }

            return _bytes?.Total ?? 0;
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

    /// <summary>Appends a batch of a stage to the stage's lane.</summary>
    public JournalPosition Append(Stage stage, RecordBatchBuilder batch, long bodyBytes, JournalGroup? group)
    {
        Lane lane = lanes[stage.Lane];
        AppendResult appended = lane.Log.Append(batch.Seal(), stage.Promise, group);
        lane.NoteFresh(appended.BaseOffset);
        _bytes?.Added(bodyBytes);
        return appended.Position;
    }

    /// <summary>Takes the message last peeked out of the ready ones. True when it came in log order (not returned).</summary>
    public bool Take(MessageId id, int bodyLength)
    {
        bool inOrder = lanes[id.Lane].Take();
        _bytes?.Taken(id, bodyLength);
        return inOrder;
    }

    /// <summary>A message taken will not come back, and is settled by other means.</summary>
    public void Forget(MessageId id) => _bytes?.Settled(id);

    /// <summary>Settles a message that was taken.</summary>
    public void Settle(MessageId id)
    {
        _bytes?.Settled(id);
        lanes[id.Lane].SettleTaken(id.Offset);
    }

    /// <summary>Settles messages that were taken.</summary>
    public void Settle(ReadOnlySpan<MessageId> messages, JournalGroup? group)
    {
        if (_bytes is not null)
        {
            foreach (MessageId id in messages)
            {
                _bytes.Settled(id);
            }
        }

        if (lanes.Length == 1)
        {
            // Lane 0: an id is its offset.
            lanes[0].SettleTaken(MemoryMarshal.Cast<MessageId, long>(messages), group);
            return;
        }

        foreach (MessageId id in messages)
        {
            lanes[id.Lane].SettleTaken(id.Offset, group);
        }
    }

    /// <summary>Puts a taken message back at its place, marked as delivered before.</summary>
    public void Return(MessageId id)
    {
        lanes[id.Lane].Return(id.Offset, redelivered: true);
        _bytes?.Returned(id);
    }

    /// <summary>Begins to count body bytes, or ceases to.</summary>
    public void CountBytes(bool isWanted)
    {
        if (!isWanted)
        {
            _bytes = null;
        }
        else if (_bytes is null)
        {
            _bytes = new ReadyBytes(this);
            ScanBytes();
        }
    }

    /// <summary>Whether this count is in use and a scan of it is to go on.</summary>
    public bool IsCounting(ReadyBytes count) => queue.IsOpen && ReferenceEquals(count, _bytes) && !count.IsExact;

    /// <summary>Takes over a piece that the scan has read. False if the count is no longer in use, or was begun anew meanwhile.</summary>
    public bool CountPiece(ReadyBytes count, Lane lane, ReadOnlySpan<(long Offset, int Bytes)> records, long from, long end)
    {
        if (!IsCounting(count) || count.PartOf(lane.Level).From != from)
        {
            return false;
        }

        count.Count(lane, records, end);
        return true;
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
            RecountBytes();
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

        _bytes?.Clear();
        return purged;
    }

    public void Dispose()
    {
        foreach (Lane lane in lanes)
        {
            lane.Dispose();
        }
    }

    /// <summary>Ready messages went another way than by being taken.</summary>
    private void RecountBytes()
    {
        if (_bytes is { } count)
        {
            bool isScanned = count.IsExact;
            count.Restart(this);
            if (isScanned)
            {
                ScanBytes();
            }
        }
    }

    private void ScanBytes()
    {
        if (IsCounting(_bytes!))
        {
            queue.Host.Scheduler.Post(new ReadyBytesScan(queue, _bytes!));
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
