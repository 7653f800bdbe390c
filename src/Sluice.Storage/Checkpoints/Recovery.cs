using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Checkpoints;

/// <summary>
/// Rebuilds all logs from the newest snapshot and the journal after it. Replay is idempotent, because a snapshot is taken log by log
/// while appends go on: a batch below the log's end is skipped, settlements are unions, a gap before a batch was a record promised
/// to memory only and counts as settled. Segments are read only where the journal has notes of batches that went straight there (<see cref="SegmentAdopter"/>);
/// else their bytes beyond those the snapshot knows are replaced from the journal.
/// A file that the snapshot names may be gone because retention dropped it afterwards: it is left out while tails are flushed to relieve memory,
/// and by the end the journal has either moved the log's start past it or the file is missing in earnest.
/// </summary>
internal sealed class Recovery(StoreContext store, TailFlusher flusher, SegmentWriter writer)
{
    private readonly Dictionary<long, Log> _logs = [];
    private readonly Dictionary<long, List<Segment>> _absent = [];
    private readonly SegmentAdopter _adopter = new(store, writer);

    /// <summary>By log: the first and last offset that the journal's notes promise and no file has, and how many there are.</summary>
    private readonly Dictionary<long, (long First, long Last, long Count)> _lost = [];

    public IReadOnlyDictionary<long, Log> Logs => _logs;

    public long NextLogId { get; private set; } = 1;

    /// <summary>Rebuilds and returns the journal as found.</summary>
    public JournalReplay Run()
    {
        IDisk disk = store.Disk;
        long begunAt = store.Clock.GetTimestamp();
        string temporary = store.PathOf(SnapshotFormat.TemporaryName);
        if (disk.FileExists(temporary))
        {
            disk.DeleteFile(temporary);
        }
        long from = LoadSnapshot();
        JournalReplay replay = new(disk, store.PathOf("journal"), store.Logger);
        replay.Run(from, OnEntry);
        foreach (Log log in _logs.Values)
        {
            Complete(log);
        }
        DeleteStrayFiles();
        TimeSpan took = store.Clock.GetElapsedTime(begunAt);
        if (replay.Entries > 0)
        {
            // A stop in good order ends with a checkpoint, which leaves nothing to replay.
            store.Logger.LogWarning(
                "The last stop left {Entries} journal entries to replay: the broker was killed, it or the machine failed, or its last checkpoint could not be written. {Logs} logs were recovered in {Milliseconds:0} ms", replay.Entries, _logs.Count, took.TotalMilliseconds);
        }
        else
        {
            store.Logger.LogInformation("{Logs} logs opened in {Milliseconds:0} ms; nothing was to be recovered", _logs.Count, took.TotalMilliseconds);
        }

        return replay;
    }

    private long LoadSnapshot()
    {
        List<string> names = [.. store.Disk.List(store.Options.Directory).Where(SnapshotFormat.IsFileName)];
        names.Sort(static (a, b) => StringComparer.Ordinal.Compare(b, a));
        string? newestDamage = null;
        foreach (string name in names)
        {
            string path = store.PathOf(name);
            string? damage = SnapshotReader.Check(store.Disk, path, out long position, out long nextLogId);
            if (damage is not null)
            {
                newestDamage ??= $"{path}: {damage}";
                store.Logger.LogCritical("Snapshot {Path} is damaged: {Damage}. An older one is tried.", path, damage);
                continue;
            }
            NextLogId = nextLogId;
            SnapshotReader.Read(store.Disk, path, OnLog);
            return position;
        }
        if (newestDamage is not null)
        {
            throw new StorageFormatException($"No snapshot of the data directory can be read ({newestDamage}). Restore it from a backup; 'sluice verify' lists what else is damaged.");
        }
        return JournalFormat.FirstPosition;
    }

    private void OnLog(in SnapshotLog state)
    {
        Log log = new(store, new LogId(state.Id), state.Kind, state.Retention, state.Start);
        _logs.Add(state.Id, log);
        for (ReadOnlySpan<byte> rest = state.Segments; rest.Length > 0; rest = rest[SnapshotFormat.SegmentBytes..])
        {
            Segment segment = SnapshotReader.ParseSegment(state.Id, rest);
            if (!store.Disk.FileExists(store.PathOf(segment.Path)))
            {
                (CollectionsMarshal.GetValueRefOrAddDefault(_absent, state.Id, out _) ??= []).Add(segment);
                continue;
            }
            (log.Segments ??= []).Add(segment);
            log.AddBytes(segment.WrittenBytes);
        }
        if (log.Cursor is { } cursor)
        {
            cursor.Apply(0, state.Floor);
            ApplyRanges(cursor, state.Ranges);
            for (ReadOnlySpan<byte> rest = state.DeliveryCounts; rest.Length > 0; rest = rest[16..])
            {
                cursor.ApplyDeliveryCount(BinaryPrimitives.ReadInt64LittleEndian(rest), (int)BinaryPrimitives.ReadInt64LittleEndian(rest[8..]));
            }
        }
        for (ReadOnlySpan<byte> rest = state.Tail; rest.Length > 0;)
        {
            ReadOnlySpan<byte> batch = rest[..RecordBatch.Size(rest)];
            log.Place(batch, RecordBatch.BaseOffset(batch));
            rest = rest[batch.Length..];
        }
        if (!state.Producers.IsEmpty)
        {
            log.RestoreProducers(state.Producers);
        }
        if (state.CompactedTo > 0)
        {
            log.Compaction.CleanedTo = state.CompactedTo;
        }
        log.SetNext(state.Next);
        log.MarkPersisted(state.Next);
        RelieveMemory();
    }

    private void OnEntry(in JournalEntryHeader entry, ReadOnlySpan<byte> payload)
    {
        if (entry.Type != JournalEntryType.Group)
        {
            Apply(entry.Type, entry.Promise, entry.LogId, payload);
            return;
        }
        while (payload.Length >= JournalFormat.OperationHeaderBytes)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(payload);
            Apply((JournalEntryType)payload[4], entry.Promise, BinaryPrimitives.ReadInt64LittleEndian(payload[8..]), payload.Slice(JournalFormat.OperationHeaderBytes, length));
            payload = payload[(JournalFormat.OperationHeaderBytes + JournalFormat.Padded(length))..];
        }
    }

    private void Apply(JournalEntryType type, Durability promise, long logId, ReadOnlySpan<byte> payload)
    {
        if (type == JournalEntryType.CreateLog)
        {
            NextLogId = Math.Max(NextLogId, logId + 1);
            if (!_logs.ContainsKey(logId))
            {
                (LogKind kind, RetentionPolicy retention) = LogDefinition.Read(payload);
                _logs.Add(logId, new Log(store, new LogId(logId), kind, retention, 0));
            }
            return;
        }
        if (!_logs.TryGetValue(logId, out Log? log))
        {
            // Deleted before the snapshot was taken, after these entries were written.
            return;
        }
        switch (type)
        {
            case JournalEntryType.Append:
                Append(log, payload);
                break;
            case JournalEntryType.Written:
                TakeOver(log, WrittenBatch.Read(payload), promise);
                break;
            case JournalEntryType.Settle when log.Cursor is { } cursor:
                ApplyRanges(cursor, payload);
                log.ReleaseSettled();
                break;
            case JournalEntryType.DeliveryCounts when log.Cursor is { } cursor:
                for (; payload.Length > 0; payload = payload[12..])
                {
                    cursor.ApplyDeliveryCount(BinaryPrimitives.ReadInt64LittleEndian(payload), BinaryPrimitives.ReadInt32LittleEndian(payload[8..]));
                }
                break;
            case JournalEntryType.DeleteLog:
                Forget(log.Segments);
                lock (log.Sync)
                {
                    log.MarkDeleted();
                }
                _logs.Remove(logId);
                break;
            case JournalEntryType.StartOffset:
                CutStart(log, BinaryPrimitives.ReadInt64LittleEndian(payload));
                break;
            case JournalEntryType.SetRetention:
                log.RestoreRetention(LogDefinition.Read(payload).Retention);
                break;
            case JournalEntryType.Settle:
            case JournalEntryType.DeliveryCounts:
                break;
            default:
                throw new StorageFormatException($"The journal holds an operation of unknown type {(byte)type} inside an intact entry. Start the newer program that wrote it.");
        }
    }

    private void Append(Log log, ReadOnlySpan<byte> batch)
    {
        long baseOffset = RecordBatch.BaseOffset(batch);
        if (baseOffset < log.NextOffset)
        {
            return;
        }
        if (baseOffset > log.NextOffset)
        {
            log.Cursor?.Apply(log.NextOffset, baseOffset);
        }
        log.Place(batch, baseOffset);
        log.TrackProducer(batch);
        log.MarkPersisted(log.NextOffset);
        RelieveMemory();
    }

    /// <summary>A batch that went straight to the log's segment. Without it, its offsets are a hole.</summary>
    private void TakeOver(Log log, in WrittenBatch note, Durability promise)
    {
        if (note.EndOffset <= log.NextOffset)
        {
            return;
        }
        _adopter.Adopt(log, note.EndOffset, note);
        if (log.NextOffset >= note.EndOffset)
        {
            return;
        }
        if (promise > Durability.Memory)
        {
            (long first, _, long count) = _lost.GetValueOrDefault(log.Id.Value, (note.BaseOffset, 0, 0));
            _lost[log.Id.Value] = (first, note.EndOffset - 1, count + note.EndOffset - note.BaseOffset);
        }
        log.SetNext(note.EndOffset);
        log.MarkPersisted(note.EndOffset);
    }

    private static void ApplyRanges(Cursor cursor, ReadOnlySpan<byte> ranges)
    {
        for (; ranges.Length > 0; ranges = ranges[16..])
        {
            cursor.Apply(BinaryPrimitives.ReadInt64LittleEndian(ranges), BinaryPrimitives.ReadInt64LittleEndian(ranges[8..]));
        }
    }

    private void CutStart(Log log, long start)
    {
        if (start <= log.PhysicalStart)
        {
            return;
        }
        lock (log.Sync)
        {
            log.SetStart(start);
            Forget(LogRetention.CutBelow(log, start));
            log.Cursor?.Apply(0, start);
        }
    }

    /// <summary>Closes the files that relieving memory opened; they are strays now.</summary>
    private void Forget(List<Segment>? segments)
    {
        foreach (Segment segment in segments ?? [])
        {
            store.Files.Forget(segment);
        }
    }

    /// <summary>Settlements of records that never reached the journal move the end: their offsets must not be given again.</summary>
    private void Complete(Log log)
    {
        if (_absent.TryGetValue(log.Id.Value, out List<Segment>? absent))
        {
            ReportMissing(log, absent);
        }
        if (_lost.TryGetValue(log.Id.Value, out (long First, long Last, long Count) lost) && lost.Last >= log.PhysicalStart)
        {
            store.Logger.LogWarning(
                "{Count} records of log {Log}, between offsets {First} and {Last}, are not in its files. They were promised to survive the process, not the power, or nobody had been told yet that they are kept. If the power was not lost, check the disk.",
                lost.Count, log.Id.Value, lost.First, lost.Last);
        }
        long end = Math.Max(log.NextOffset, log.PhysicalStart);
        if (log.Cursor is { } cursor)
        {
            long settledEnd = cursor.SettledEnd;
            if (settledEnd > end)
            {
                cursor.Apply(end, settledEnd);
                end = settledEnd;
            }
        }
        log.SetNext(end);
    }

    /// <summary>Files that should be there and are not: their offsets stay in the log, and reading them says what to do.</summary>
    private void ReportMissing(Log log, List<Segment> absent)
    {
        foreach (Segment segment in absent.Where(s => s.EndOffset > log.PhysicalStart))
        {
            store.Logger.LogError(
                "Segment {Path} of log {Log} is missing: its records, offsets {First} to {Last}, cannot be read. Restore the file from a backup while the broker is stopped.",
                store.PathOf(segment.Path), log.Id.Value, segment.BaseOffset, segment.EndOffset - 1);
            List<Segment> segments = log.Segments ??= [];
            int at = segments.FindIndex(other => other.BaseOffset > segment.BaseOffset);
            segments.Insert(at < 0 ? segments.Count : at, segment);
            // Nothing may be appended behind a file that is not there.
            segment.IsSealed = true;
            log.AddBytes(segment.WrittenBytes);
        }
    }

    private void RelieveMemory()
    {
        if (store.Chunks.Bytes <= store.Options.TailBytesMax)
        {
            return;
        }
        foreach (Log log in _logs.Values)
        {
            if (log.Cursor is null && log.Tail.Bytes > 0)
            {
                // What is in its files already must not be written over: behind it may be what is nowhere else.
                _adopter.Adopt(log, log.NextOffset, note: null);
            }
        }
        flusher.FlushExcess(_logs.Values);
    }

    /// <summary>Files that no log knows: of deleted and volatile logs, and written after the snapshot (the journal has their content).</summary>
    private void DeleteStrayFiles()
    {
        string root = store.PathOf("logs");
        foreach (string directory in store.Disk.List(root))
        {
            Log? log = long.TryParse(directory, System.Globalization.NumberStyles.AllowHexSpecifier, null, out long id) ? _logs.GetValueOrDefault(id) : null;
            if (log?.Segments is not { Count: > 0 } segments)
            {
                store.Disk.DeleteDirectory(root + "/" + directory);
                continue;
            }
            HashSet<string> known = [];
            foreach (Segment segment in segments)
            {
                known.Add(segment.Path);
                known.Add(segment.IndexPath);
                known.Add(segment.TimeIndexPath);
            }
            foreach (string name in store.Disk.List(root + "/" + directory))
            {
                if (!known.Contains($"logs/{directory}/{name}"))
                {
                    store.Disk.DeleteFile($"{root}/{directory}/{name}");
                }
            }
        }
    }
}
