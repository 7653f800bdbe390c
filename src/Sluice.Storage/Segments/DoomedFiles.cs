using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Segments;

/// <summary>
/// Files that no log needs any more. They are deleted once the journal durably says so, and those that the newest snapshot names not before the
/// next one is there. Adding to it never waits for the disk; all else is the maintenance worker's. Failure policy: what cannot be deleted is tried again later.
/// </summary>
internal sealed class DoomedFiles(StoreContext store, TailFlusher flusher)
{
    private readonly ConcurrentQueue<(string Path, bool IsDirectory)> _doomed = new();
    private readonly List<Segment> _replaced = [];

    /// <summary>Bytes of the segments that wait for a checkpoint.</summary>
    public long ReplacedBytes { get; private set; }

    /// <summary>A segment that its log has given up.</summary>
    public void Add(Segment segment)
    {
        store.Files.Forget(segment);
        _doomed.Enqueue((store.PathOf(segment.Path), false));
        if (segment.IsSealed)
        {
            _doomed.Enqueue((store.PathOf(segment.IndexPath), false));
            _doomed.Enqueue((store.PathOf(segment.TimeIndexPath), false));
        }
    }

    /// <summary>All files of a deleted log.</summary>
    public void AddDirectory(Log log) => _doomed.Enqueue((store.PathOf($"logs/{log.Id.Value:x16}"), true));

    /// <summary>Segments that others have taken the place of.</summary>
    public void AddReplaced(Log log, List<Segment> replaced)
    {
        foreach (Segment segment in replaced)
        {
            if (log.Kind == LogKind.Volatile)
            {
                Add(segment);
                continue;
            }
            // The newest snapshot still names the file.
            _replaced.Add(segment);
            ReplacedBytes += segment.WrittenBytes;
        }
    }

    /// <summary>There is a checkpoint, which names none of the replaced segments.</summary>
    public void ReleaseReplaced()
    {
        foreach (Segment segment in _replaced)
        {
            Add(segment);
        }
        _replaced.Clear();
        ReplacedBytes = 0;
    }

    /// <summary>Syncs the journal, then deletes what was added before.</summary>
    public void Delete()
    {
        if (_doomed.IsEmpty)
        {
            return;
        }
        try
        {
            int count = _doomed.Count;
            store.Journal.WriteNow(sync: true);
            for (; count > 0 && _doomed.TryPeek(out (string Path, bool IsDirectory) doomed); count--)
            {
                if (doomed.IsDirectory)
                {
                    // Who is at a write to a file in it ends first; no other begins, as the log is marked.
                    lock (flusher.Sync)
                    {
                    }
                    store.Disk.DeleteDirectory(doomed.Path);
                }
                else if (store.Disk.FileExists(doomed.Path))
                {
                    store.Disk.DeleteFile(doomed.Path);
                }
                _doomed.TryDequeue(out _);
            }
        }
        catch (IOException e)
        {
            store.Logger.LogError(e, "Files that are no longer needed could not be deleted; they are tried again later.");
        }
    }
}
