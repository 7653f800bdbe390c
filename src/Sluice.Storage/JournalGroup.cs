using System.Buffers;
using System.Buffers.Binary;
using Sluice.Storage.Journaling;

namespace Sluice.Storage;

/// <summary>
/// Appends and settlements of several logs that are kept together or not at all, also across a crash: one journal entry.
/// The caller holds the appender's right (lock) of every log touched from the first operation until <see cref="Commit"/>, and looks at
/// <see cref="Log.PromiseFailure"/> of every log it appends to before the first operation: what a group has begun is not refused halfway.
/// <para>
/// Failure policy: operations change the logs in memory at once. A group that is disposed with operations and without a commit has therefore left memory
/// and journal apart: the journal stops, so that the half is never kept and nothing built upon it is.
/// </para>
/// </summary>
public sealed class JournalGroup : IDisposable
{
    /// <summary>What a group can hold: it is one journal entry, which has a 32-bit length.</summary>
    public const long BytesMax = 2_000_000_000;

    /// <summary>What one operation adds to its payload, at most.</summary>
    public const int OperationBytesMax = JournalFormat.OperationHeaderBytes + 16;

    private const int KeptBytesMax = 256 << 10;

    private readonly LogStore _store;
    private readonly List<Log> _logs = [];
    private byte[] _operations = ArrayPool<byte>.Shared.Rent(1024);
    private int _size;
    private Durability _promise;

    internal JournalGroup(LogStore store) => _store = store;

    /// <summary>Hands the group to the journal as one entry.</summary>
    public JournalPosition Commit()
    {
        JournalPosition position = JournalPosition.None;
        if (_size > 0)
        {
            // A group of settlements alone is not lazy: it is a decision somebody waits for.
            Durability promise = _promise == Durability.Memory ? Durability.OperatingSystem : _promise;
            position = _store.Context.Journal.Add(JournalEntryType.Group, promise, 0, _operations.AsSpan(0, _size));
        }
        Release(position);
        return position;
    }

    /// <summary>Releases buffers. If the group has operations and was not committed, something threw in its midst: the journal stops.</summary>
    public void Dispose()
    {
        if (_size > 0)
        {
            // Before the logs are released, so that no checkpoint captures the half.
            _store.Context.Journal.Stop(new InvalidOperationException("A journal group failed halfway: memory and journal differ."));
        }
        Release(JournalPosition.None);
        if (_operations.Length > KeptBytesMax)
        {
            ArrayPool<byte>.Shared.Return(_operations);
            _operations = ArrayPool<byte>.Shared.Rent(1024);
        }
        _store.Return(this);
    }

    internal void AddAppend(Log log, ReadOnlySpan<byte> batch, Durability promise)
    {
        Add(JournalEntryType.Append, log, batch);
        _promise = promise > _promise ? promise : _promise;
    }

    internal void AddSettled(Log log, long from, long to)
    {
        Span<byte> payload = stackalloc byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(payload, from);
        BinaryPrimitives.WriteInt64LittleEndian(payload[8..], to);
        Add(JournalEntryType.Settle, log, payload);
    }

    private void Add(JournalEntryType type, Log log, ReadOnlySpan<byte> payload)
    {
        int total = JournalFormat.OperationHeaderBytes + JournalFormat.Padded(payload.Length);
        if (_operations.Length - _size < total)
        {
            int doubled = (int)Math.Min(_operations.Length * 2L, Array.MaxLength);
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(doubled, checked(_size + total)));
            _operations.AsSpan(0, _size).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_operations);
            _operations = larger;
        }
        Span<byte> operation = _operations.AsSpan(_size, total);
        operation.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(operation, payload.Length);
        operation[4] = (byte)type;
        BinaryPrimitives.WriteInt64LittleEndian(operation[8..], log.Id.Value);
        payload.CopyTo(operation[JournalFormat.OperationHeaderBytes..]);
        _size += total;
        if (!log.IsInGroup)
        {
            log.IsInGroup = true;
            _logs.Add(log);
        }
    }

    private void Release(JournalPosition position)
    {
        foreach (Log log in _logs)
        {
            lock (log.Sync)
            {
                log.IsInGroup = false;
                log.OnCommitted(position);
            }
        }
        _logs.Clear();
        _size = 0;
        _promise = Durability.Memory;
    }
}
