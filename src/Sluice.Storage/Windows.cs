using Sluice.Storage.Segments;

namespace Sluice.Storage;

/// <summary>Loads <see cref="LogWindow"/>s from a log's segments, off its lock: a file that retention or the cleaner takes away meanwhile is no damage.</summary>
internal static class Windows
{
    public static LogWindow? Load(Log log, long offset, int bytesMax)
    {
        Segment? segment;
        long written;
        lock (log.Sync)
        {
            segment = log.Segments.AtOrAfter(offset);
            if (segment is null)
            {
                return null;
            }
            written = segment.WrittenBytes;
        }
        StoreContext store = log.Store;
        try
        {
            return SegmentReader.Load(store.Files, store.Buffers, segment, written, offset, bytesMax);
        }
        catch (IOException e)
        {
            if (!Holds(log, segment))
            {
                return null;
            }
            throw e as LogFailedException ?? Unreadable(log, segment, offset, e);
        }
    }

    /// <summary>Whether the segment is the log's still.</summary>
    public static bool Holds(Log log, Segment segment)
    {
        lock (log.Sync)
        {
            return log.Segments.AtOrAfter(segment.BaseOffset) == segment;
        }
    }

    /// <summary>What is to be thrown when a segment of the log cannot be read from an offset on.</summary>
    public static LogFailedException Unreadable(Log log, Segment segment, long offset, IOException inner) =>
        new($"{log.Store.PathOf(segment.Path)} cannot be read: offsets from {offset} up to {segment.EndOffset} of log {log.Id.Value} are out of reach. Check the disk, or restore the file from a backup.", inner)
        {
            ResumeOffset = segment.EndOffset,
        };
}
