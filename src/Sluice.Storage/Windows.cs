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
            lock (log.Sync)
            {
                if (log.Segments.AtOrAfter(offset) != segment)
                {
                    return null;
                }
            }
            if (e is LogFailedException)
            {
                throw;
            }
            throw new LogFailedException($"{store.PathOf(segment.Path)} cannot be read: offsets from {offset} up to {segment.EndOffset} of log {log.Id.Value} are out of reach. Check the disk, or restore the file from a backup.", e)
            {
                ResumeOffset = segment.EndOffset,
            };
        }
    }
}
