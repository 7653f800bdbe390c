using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;

namespace Sluice.Storage.Journaling;

internal delegate void JournalEntryHandler(in JournalEntryHeader entry, ReadOnlySpan<byte> payload);

/// <summary>
/// Reads the journal from a position on. The first entry whose checksum fails ends the last file (a write that the crash tore);
/// it is cut there. If an intact entry behind it proves that the bad one had been synced, or if a file before the last one ends
/// early, bytes that were promised are damaged: that is never passed over.
/// </summary>
internal sealed class JournalReplay(IDisk disk, string directory, ILogger logger)
{
    private readonly List<JournalFile> _files = [];
    private byte[] _window = new byte[1 << 20];
    private long _windowStart;
    private int _windowLength;

    /// <summary>Files that hold replayed entries.</summary>
    public IReadOnlyList<JournalFile> Files => _files;

    public List<string> Spares { get; } = [];

    /// <summary>Looks only: nothing is renamed or synced.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Where the next entry goes.</summary>
    public long Position { get; private set; }

    /// <summary>The highest epoch seen.</summary>
    public long Epoch { get; private set; }

    /// <summary>Entries handed out.</summary>
    public long Entries { get; private set; }

    /// <exception cref="StorageFormatException">Entries are missing or damaged.</exception>
    public void Run(long from, JournalEntryHandler handler)
    {
        Position = from;
        List<long> epochs = [];
        foreach (string name in disk.List(directory))
        {
            if (JournalFormat.TryParseFileName(name, out long epoch))
            {
                epochs.Add(epoch);
                Epoch = Math.Max(Epoch, epoch);
            }
            else if (name.StartsWith("spare-", StringComparison.Ordinal))
            {
                Spares.Add(name);
            }
        }
        epochs.Sort();
        List<(long Epoch, long First, bool IsIntact)> headers = [];
        foreach (long epoch in epochs)
        {
            using IDiskFile file = disk.Open(PathOf(epoch), DiskOpenMode.Existing);
            byte[] header = new byte[JournalFormat.FileHeaderBytes];
            int read = file.ReadFully(0, header);
            bool intact = JournalFormat.TryReadFileHeader(header.AsSpan(0, read), epoch, out long first);
            headers.Add((epoch, first, intact));
        }
        for (int i = 0; i < headers.Count; i++)
        {
            (long epoch, long first, bool isIntact) = headers[i];
            if (!isIntact)
            {
                ReplayUnreadable(epoch);
                continue;
            }
            if (first < from)
            {
                // Left over from before the snapshot.
                _files.Add(new JournalFile(epoch, first, first));
                continue;
            }
            if (first > Position)
            {
                throw new StorageFormatException($"The journal has a gap: {PathOf(epoch)} begins at position {first}, but what is before it ends at {Position}. Entries that were promised are missing. Restore the missing journal or snapshot file from a backup; 'sluice verify' lists what is there.");
            }
            bool isLast = !headers.Skip(i + 1).Any(static h => h.IsIntact);
            long end = isLast ? long.MaxValue : headers.Skip(i + 1).First(static h => h.IsIntact).First;
            Replay(epoch, first, end, handler);
        }
    }

    private void Replay(long epoch, long first, long end, JournalEntryHandler handler)
    {
        using IDiskFile file = disk.Open(PathOf(epoch), DiskOpenMode.Existing);
        _windowLength = 0;
        long length = file.Length;
        long position = first;
        while (position < end)
        {
            long at = JournalFormat.FileHeaderBytes + position - first;
            ReadOnlySpan<byte> header = Peek(file, at, JournalFormat.EntryHeaderBytes);
            if (!JournalFormat.TryReadEntryHeader(header, epoch, position, out JournalEntryHeader entry)
                || at + JournalFormat.EntryHeaderBytes + entry.PayloadBytes > length)
            {
                break;
            }
            ReadOnlySpan<byte> payload = Peek(file, at + JournalFormat.EntryHeaderBytes, entry.PayloadBytes);
            if (!JournalFormat.IsPayloadIntact(entry, payload))
            {
                break;
            }
            handler(entry, payload);
            Entries++;
            position += JournalFormat.EntryHeaderBytes + JournalFormat.Padded(entry.PayloadBytes);
        }
        if (end != long.MaxValue && position != end)
        {
            throw Damaged(epoch, JournalFormat.FileHeaderBytes + position - first, "a later journal file proves that more was written and synced");
        }
        if (end == long.MaxValue)
        {
            ThrowIfPromisedBeyond(file, epoch, first, position);
            // What was only in the page cache so far is now part of the history that the next file builds on.
            if (!IsReadOnly)
            {
                file.Sync();
            }
        }
        _files.Add(new JournalFile(epoch, first, position));
        Position = position;
    }

    /// <summary>A file whose header cannot be read was being begun when the power went, unless entries in it prove otherwise.</summary>
    private void ReplayUnreadable(long epoch)
    {
        using (IDiskFile file = disk.Open(PathOf(epoch), DiskOpenMode.Existing))
        {
            _windowLength = 0;
            ThrowIfPromisedBeyond(file, epoch, Position, Position);
        }
        if (IsReadOnly)
        {
            return;
        }
        logger.LogInformation("Journal file {Path} has no readable header and no entries: it was being begun at a crash. It is reused.", PathOf(epoch));
        string spare = $"spare-{epoch:x16}-r";
        disk.Move(PathOf(epoch), directory + "/" + spare);
        Spares.Add(spare);
    }

    private void ThrowIfPromisedBeyond(IDiskFile file, long epoch, long first, long cut)
    {
        // A recycled file is long: asking the disk for its length at every step would take seconds.
        long length = file.Length;
        long cutAt = JournalFormat.FileHeaderBytes + cut - first;
        for (long at = cutAt + 8; at + JournalFormat.EntryHeaderBytes <= length; at += 8)
        {
            long position = first + at - JournalFormat.FileHeaderBytes;
            if (JournalFormat.TryReadEntryHeader(Peek(file, at, JournalFormat.EntryHeaderBytes), epoch, position, out JournalEntryHeader entry) && entry.DurableBefore > cut)
            {
                throw Damaged(epoch, cutAt, $"an entry at byte {at} proves that the bytes had been synced");
            }
        }
    }

    private StorageFormatException Damaged(long epoch, long at, string proof)
    {
        string message = $"The journal file {PathOf(epoch)} is damaged at byte {at}: {proof}. Messages that were promised cannot be recovered from it. Restore the data directory from a backup, or set the file aside and start with what came before it.";
        logger.LogCritical("{Message}", message);
        return new StorageFormatException(message);
    }

    /// <summary>The file's bytes at the position, fewer at its end. Valid until the next call.</summary>
    private ReadOnlySpan<byte> Peek(IDiskFile file, long at, int length)
    {
        long offset = at - _windowStart;
        if (_windowLength == 0 || offset < 0 || offset + length > _windowLength)
        {
            if (length > _window.Length)
            {
                _window = new byte[length];
            }
            _windowStart = at;
            _windowLength = file.ReadFully(at, _window);
            offset = 0;
        }
        return _window.AsSpan((int)offset, (int)Math.Min(length, _windowLength - offset));
    }

    private string PathOf(long epoch) => directory + "/" + JournalFormat.FileName(epoch);
}
