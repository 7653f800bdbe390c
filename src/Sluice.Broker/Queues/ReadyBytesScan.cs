using Microsoft.Extensions.Logging;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>
/// Counts the bodies that a queue held before it had a byte limit, or before the broker was started: in pieces on a worker, off the queue's lock. Between
/// pieces it holds no memory but itself, however long the queue.
/// </summary>
internal sealed class ReadyBytesScan(CompetingQueue queue, ReadyBytes count) : IThreadPoolWorkItem
{
    private const int PieceRecordsMax = 4096;

    public void Execute()
    {
        Lane? lane = null;
        long from = 0, end = 0;
        lock (queue.Gate)
        {
            if (queue.Lanes.IsCounting(count))
            {
                lane = queue.Lanes[count.NextPart];
                (from, end) = count.PartOf(lane.Level);
            }
        }

        if (lane is null)
        {
            return;
        }

        var records = new List<(long Offset, int Bytes)>();
        long reached;
        try
        {
            reached = Read(lane.Log, from, end, records);
        }
        catch (IOException e)
        {
            // What cannot be read counts as nothing: too little is counted then, and nothing is dropped or refused for it.
            long resume = e is LogFailedException { ResumeOffset: { } offset } ? offset : end;
            if (queue.IsOpen)
            {
                queue.Host.Logger.LogError(e, "Queue '{Queue}' in virtual host '{Host}': messages up to offset {Offset} cannot be read and do not count for its limit in bytes", queue.Name, queue.Host.Name, resume);
            }

            reached = Math.Max(from + 1, resume);
        }
        catch (ObjectDisposedException) when (!queue.IsOpen)
        {
            return;
        }

        bool isLeft;
        lock (queue.Gate)
        {
            if (queue.Lanes.CountPiece(count, lane, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(records), from, reached))
            {
                new QueueLimits(queue).Enforce();
            }

            isLeft = queue.Lanes.IsCounting(count);
        }

        if (isLeft)
        {
            queue.Host.Scheduler.Post(this);
        }
    }

    /// <summary>Reads one piece; returns the offset reached.</summary>
    private static long Read(Log log, long from, long end, List<(long Offset, int Bytes)> records)
    {
        using LogReader reader = log.OpenReader(from);
        bool hasLoaded = false;
        while (records.Count < PieceRecordsMax && reader.NextOffset < end)
        {
            switch (reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record when record.Offset < end:
                    records.Add((record.Offset, record.Value.Length));
                    reader.Advance();
                    break;
                case PeekResult.NeedsLoad when hasLoaded:
                    return reader.NextOffset;
                case PeekResult.NeedsLoad:
                    if (log.LoadWindow(reader.NextOffset) is { } window)
                    {
                        reader.Attach(window);
                        hasLoaded = true;
                    }

                    break;
                default:
                    return end;
            }
        }

        return reader.NextOffset;
    }
}
