using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Disk;
using Sluice.Storage.Checkpoints;
using Sluice.Storage.Journaling;
using Sluice.Storage.Records;
using Sluice.Storage.Segments;

namespace Sluice.Storage;

/// <summary>How bad a finding is.</summary>
public enum VerifySeverity
{
    /// <summary>Normal, for example a write that a crash cut short and nobody was promised.</summary>
    Note = 0,

    /// <summary>Repaired by itself, for example an index that will be rebuilt.</summary>
    Warning = 1,

    /// <summary>Records are lost or unreadable.</summary>
    Error = 2,
}

/// <param name="File">Path below the data directory.</param>
/// <param name="Position">Byte in the file, or -1 for the file as a whole.</param>
/// <param name="What">What is wrong.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Advice">What to do.</param>
public sealed record VerifyFinding(string File, long Position, string What, VerifySeverity Severity, string Advice);

/// <param name="File">The file being read.</param>
/// <param name="BytesDone">Bytes checked so far, all files together.</param>
/// <param name="BytesTotal">Bytes to check.</param>
public readonly record struct VerifyProgress(string File, long BytesDone, long BytesTotal);

/// <summary>Checks a data directory that no broker uses: snapshot, journal, every segment and index. Changes nothing.</summary>
public sealed class StoreVerifier
{
    private readonly LogStoreOptions _options;
    private readonly IDisk _disk;
    private readonly Action<VerifyProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<VerifyFinding> _findings = [];
    private readonly List<Segment> _segments = [];
    private long _bytesTotal;
    private long _bytesDone;

    private StoreVerifier(LogStoreOptions options, IDisk disk, Action<VerifyProgress>? progress, CancellationToken cancellation)
    {
        _options = options;
        _disk = disk;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Checks everything and returns what is not right, in the order found; empty for a sound directory.</summary>
    /// <exception cref="DiskLockedException">A broker uses the directory.</exception>
    /// <exception cref="StorageFormatException">The directory is of a newer format.</exception>
    public static IReadOnlyList<VerifyFinding> Verify(LogStoreOptions options, IDisk disk, Action<VerifyProgress>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(disk);
        if (!disk.DirectoryExists(options.Directory))
        {
            return [new VerifyFinding(options.Directory, -1, "There is no such directory.", VerifySeverity.Error, "Check the path of the data directory.")];
        }
        StoreVerifier verifier = new(options, disk, progress, cancellation);
        using IDisposable held = disk.AcquireLock(verifier.PathOf("lock"));
        verifier.Run();
        return verifier._findings;
    }

    private string PathOf(string path) => _options.Directory.Length == 0 ? path : _options.Directory + "/" + path;

    private void Run()
    {
        long from = VerifySnapshots();
        foreach (string name in _disk.List(PathOf("journal")))
        {
            if (JournalFormat.TryParseFileName(name, out _))
            {
                _bytesTotal += LengthOf(PathOf("journal/" + name));
            }
        }
        _bytesTotal += _segments.Sum(static s => s.WrittenBytes);
        VerifyJournal(from);
        foreach (Segment segment in _segments)
        {
            _cancellation.ThrowIfCancellationRequested();
            VerifySegment(segment);
        }
    }

    private long VerifySnapshots()
    {
        List<string> names = [.. _disk.List(_options.Directory).Where(SnapshotFormat.IsFileName).OrderDescending(StringComparer.Ordinal)];
        bool damaged = false;
        foreach (string name in names)
        {
            if (SnapshotReader.Check(_disk, PathOf(name), out long position, out _) is { } damage)
            {
                damaged = true;
                Find(name, -1, $"The snapshot is damaged: {damage}.", VerifySeverity.Error, "Restore the file from a backup of the same time as the journal.");
                continue;
            }
            SnapshotReader.Read(_disk, PathOf(name), (in SnapshotLog log) =>
            {
                for (ReadOnlySpan<byte> rest = log.Segments; rest.Length > 0; rest = rest[SnapshotFormat.SegmentBytes..])
                {
                    Segment segment = SnapshotReader.ParseSegment(log.Id, rest);
                    if (segment.EndOffset > log.Start)
                    {
                        _segments.Add(segment);
                    }
                }
                VerifyTail(name, log);
            });
            return position;
        }
        if (damaged)
        {
            Find("", -1, "No snapshot can be read; the broker will refuse to start.", VerifySeverity.Error, "Restore the data directory from a backup.");
        }
        return JournalFormat.FirstPosition;
    }

    private void VerifyTail(string name, in SnapshotLog log)
    {
        for (ReadOnlySpan<byte> rest = log.Tail; rest.Length > 0;)
        {
            if (!RecordBatch.LooksLikeHeader(rest) || RecordBatch.Size(rest) > rest.Length || !RecordBatch.IsIntact(rest[..RecordBatch.Size(rest)]))
            {
                Find(name, -1, $"A record batch of log {log.Id} in the snapshot fails its checksum.", VerifySeverity.Error, "Restore the data directory from a backup; the batch was damaged before it was written.");
                return;
            }
            rest = rest[RecordBatch.Size(rest)..];
        }
    }

    private void VerifyJournal(long from)
    {
        JournalReplay replay = new(_disk, PathOf("journal"), NullLogger.Instance) { IsReadOnly = true };
        try
        {
            replay.Run(from, (in JournalEntryHeader entry, ReadOnlySpan<byte> payload) =>
            {
                _cancellation.ThrowIfCancellationRequested();
                Advance("journal", JournalFormat.EntryHeaderBytes + payload.Length);
            });
        }
        catch (StorageFormatException e)
        {
            Find("journal", replay.Position, e.Message, VerifySeverity.Error, "Restore the data directory from a backup; everything before the position is sound.");
        }
    }

    private void VerifySegment(Segment segment)
    {
        string path = segment.Path;
        if (!_disk.FileExists(PathOf(path)))
        {
            Find(path, -1, $"The segment file is missing (offsets {segment.BaseOffset} to {segment.EndOffset} of log {segment.LogId}), unless it was reclaimed after the last checkpoint.", VerifySeverity.Warning, "Nothing if its records were consumed; else restore it from a backup.");
            return;
        }
        using IDiskFile file = _disk.Open(PathOf(path), DiskOpenMode.Existing);
        byte[] buffer = new byte[1 << 20];
        long position = 0;
        long lastEnd = segment.BaseOffset;
        while (position < segment.WrittenBytes)
        {
            _cancellation.ThrowIfCancellationRequested();
            int length = Read(file, position, buffer, segment.WrittenBytes);
            int at = 0;
            while (length - at >= RecordBatch.HeaderBytes && RecordBatch.LooksLikeHeader(buffer.AsSpan(at, length - at)) && RecordBatch.Size(buffer.AsSpan(at)) <= length - at)
            {
                ReadOnlySpan<byte> batch = buffer.AsSpan(at, RecordBatch.Size(buffer.AsSpan(at)));
                if (!RecordBatch.IsIntact(batch) || RecordBatch.BaseOffset(batch) < lastEnd)
                {
                    Find(path, position + at, $"The record batch at offset {RecordBatch.BaseOffset(batch)} of log {segment.LogId} is damaged.", VerifySeverity.Error, "Restore the file from a backup; reading skips the damaged range.");
                    return;
                }
                lastEnd = RecordBatch.EndOffset(batch);
                at += batch.Length;
            }
            if (at == 0)
            {
                if (length >= RecordBatch.HeaderBytes && RecordBatch.LooksLikeHeader(buffer) && RecordBatch.Size(buffer) > buffer.Length && position + RecordBatch.Size(buffer) <= segment.WrittenBytes)
                {
                    buffer = new byte[RecordBatch.Size(buffer)];
                    continue;
                }
                Find(path, position, $"No record batch begins here, though log {segment.LogId} has {segment.WrittenBytes} bytes in the file.", VerifySeverity.Error, "Restore the file from a backup; reading skips the damaged range.");
                return;
            }
            position += at;
            Advance(path, at);
        }
        if (segment.IsSealed)
        {
            VerifyIndex(segment, segment.IndexPath, SegmentIndex.OffsetMagic);
            VerifyIndex(segment, segment.TimeIndexPath, SegmentIndex.TimeMagic);
        }
    }

    private void VerifyIndex(Segment segment, string path, ReadOnlySpan<byte> magic)
    {
        if (_disk.FileExists(PathOf(path)))
        {
            using IDiskFile file = _disk.Open(PathOf(path), DiskOpenMode.Existing);
            byte[] bytes = new byte[file.Length];
            if (Read(file, 0, bytes, bytes.Length) == bytes.Length && SegmentIndex.IsIntact(bytes, magic, segment.BaseOffset, segment.WrittenBytes))
            {
                return;
            }
        }
        Find(path, -1, "The index is missing or damaged.", VerifySeverity.Warning, "Nothing: it is rebuilt from the log file when needed.");
    }

    private static int Read(IDiskFile file, long position, byte[] buffer, long end)
    {
        int read = 0;
        int wanted = (int)Math.Min(buffer.Length, end - position);
        while (read < wanted)
        {
            int n = file.Read(position + read, buffer.AsSpan(read, wanted - read));
            if (n == 0)
            {
                break;
            }
            read += n;
        }
        return read;
    }

    private long LengthOf(string path)
    {
        using IDiskFile file = _disk.Open(path, DiskOpenMode.Existing);
        return file.Length;
    }

    private void Advance(string file, long bytes)
    {
        _bytesDone = Math.Min(_bytesTotal, _bytesDone + bytes);
        _progress?.Invoke(new VerifyProgress(file, _bytesDone, _bytesTotal));
    }

    private void Find(string file, long position, string what, VerifySeverity severity, string advice) =>
        _findings.Add(new VerifyFinding(file, position, what, severity, advice));
}
