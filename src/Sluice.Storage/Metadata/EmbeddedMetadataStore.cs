using System.Buffers;
using Sluice.Storage.Records;

namespace Sluice.Storage.Metadata;

/// <summary>
/// The metadata store on one log: a record for each committed transaction, settled once none of its puts is current any more, so that
/// the log keeps about as much as the entries need and a start replays just its unsettled records. The newest record stays in any case,
/// because it holds the revision.
/// </summary>
internal sealed class EmbeddedMetadataStore : IMetadataStore, IDisposable
{
    private readonly Lock _sync = new();
    private readonly LogStore _store;
    private readonly Log _log;
    private readonly MetadataTable _table = new();

    // Current puts beyond the first of a record that holds several; nearly all hold one.
    private readonly Dictionary<long, int> _furtherPuts = [];
    private readonly List<Watcher> _watchers = [];
    private readonly Queue<MetadataChange> _changes = new();
    private readonly RecordBatchBuilder _builder = new();
    private readonly ArrayBufferWriter<byte> _value = new();
    private readonly List<long> _dead = [];
    private long _revision;

    // Of the last transaction: with it all before are kept.
    private JournalPosition _lastPosition = JournalPosition.None;
    private LogFailedException? _refusal;
    private long _lastOffset = -1;
    private int _lastPuts;
    private bool _dispatching;

    public EmbeddedMetadataStore(LogStore store, Log log)
    {
        _store = store;
        _log = log;
        Load();
    }

    public long Revision
    {
        get
        {
            lock (_sync)
            {
                return _revision;
            }
        }
    }

    public MetadataEntry? Get(string key)
    {
        lock (_sync)
        {
            return _table.TryGet(key, out MetadataSlot slot) ? slot.ToEntry() : null;
        }
    }

    public IReadOnlyList<MetadataEntry> Range(string prefix)
    {
        lock (_sync)
        {
            return _table.Range(prefix);
        }
    }

    public async ValueTask<MetadataResult> CommitAsync(MetadataTransaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        JournalPosition position;
        long revision;
        lock (_sync)
        {
            foreach (MetadataCondition condition in transaction.Conditions)
            {
                long actual = _table.TryGet(condition.Key, out MetadataSlot slot) ? slot.ModRevision : 0;
                if (actual != condition.ModRevision)
                {
                    return new MetadataResult(false, _revision);
                }
            }
            (revision, position) = transaction.Operations.Count == 0 ? (_revision, _lastPosition) : Append(transaction.Operations);
        }
        Dispatch();
        await _store.WhenKeptAsync(position, Durability.Disk).ConfigureAwait(false);
        return new MetadataResult(true, revision);
    }

    public async ValueTask WhenKeptAsync()
    {
        JournalPosition position;
        lock (_sync)
        {
            if (_refusal is not null)
            {
                // Who asked for what was not taken may have changed its own tables.
                throw new LogFailedException("The metadata store has stopped: what was asked of it last is not kept.", _refusal);
            }
            position = _lastPosition;
        }
        await _store.WhenKeptAsync(position, Durability.Disk).ConfigureAwait(false);
    }

    public IDisposable Watch(string prefix, Action<MetadataChange> onChange)
    {
        Watcher watcher = new(this, prefix, onChange);
        lock (_sync)
        {
            _watchers.Add(watcher);
        }
        return watcher;
    }

    public void Dispose() => _builder.Dispose();

    private (long Revision, JournalPosition Position) Append(IReadOnlyList<MetadataOperation> operations)
    {
        long revision = _revision + 1;
        List<StoredOperation> stored = new(operations.Count);
        Dictionary<string, long>? createdHere = operations.Count > 1 ? [] : null;
        foreach (MetadataOperation operation in operations)
        {
            long created = createdHere is not null && createdHere.TryGetValue(operation.Key, out long known)
                ? known
                : _table.TryGet(operation.Key, out MetadataSlot slot) ? slot.CreateRevision : 0;
            created = created == 0 ? revision : created;
            stored.Add(new StoredOperation(operation.Key, operation.Value?.ToArray(), created));
            if (createdHere is not null)
            {
                createdHere[operation.Key] = operation.Value is null ? 0 : created;
            }
        }
        _value.ResetWrittenCount();
        MetadataCodec.Write(_value, revision, stored);
        _builder.Clear();
        _builder.Append(_store.Context.Clock.GetUtcNow().ToUnixTimeMilliseconds(), _value.WrittenSpan, default, 0);
        AppendResult result;
        try
        {
            result = _log.Append(_builder.Seal(), Durability.Disk);
        }
        catch (LogFailedException error)
        {
            _refusal = error;
            throw;
        }
        _lastPosition = result.Position;
        Apply(revision, stored, result.BaseOffset);
        foreach (StoredOperation operation in stored)
        {
            MetadataEntry? entry = operation.Value is null ? null : new MetadataEntry(operation.Key, operation.Value, operation.CreateRevision, revision);
            _changes.Enqueue(new MetadataChange(operation.Key, entry, revision));
        }
        SettleDead();
        return (revision, result.Position);
    }

    /// <summary>Applies a transaction to the table and collects the records that nothing needs any more.</summary>
    private void Apply(long revision, List<StoredOperation> operations, long offset)
    {
        if (_lastOffset >= 0 && _lastPuts == 0)
        {
            _dead.Add(_lastOffset);
        }
        if (_lastPuts > 1)
        {
            _furtherPuts.Add(_lastOffset, _lastPuts - 1);
        }
        _lastOffset = offset;
        _lastPuts = 0;
        foreach (StoredOperation operation in operations)
        {
            if (_table.TryGet(operation.Key, out MetadataSlot old))
            {
                Release(old.Offset);
            }
            if (operation.Value is null)
            {
                _table.Remove(operation.Key);
                continue;
            }
            _table.Set(new MetadataSlot(operation.Key, operation.Value, operation.CreateRevision, revision, offset));
            _lastPuts++;
        }
        _revision = revision;
    }

    /// <summary>One put of the record is no longer current.</summary>
    private void Release(long recordOffset)
    {
        if (recordOffset == _lastOffset)
        {
            _lastPuts--;
        }
        else if (!_furtherPuts.Remove(recordOffset, out int further))
        {
            _dead.Add(recordOffset);
        }
        else if (further > 1)
        {
            _furtherPuts.Add(recordOffset, further - 1);
        }
    }

    private void SettleDead()
    {
        if (_dead.Count > 0)
        {
            _log.Cursor!.Settle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_dead));
            _dead.Clear();
        }
    }

    private void Load()
    {
        using LogReader reader = _log.OpenReader(_log.StartOffset);
        while (true)
        {
            switch (reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record:
                    if (!_log.Cursor!.IsSettled(record.Offset))
                    {
                        (long revision, List<StoredOperation> operations) = MetadataCodec.Read(record.Value);
                        Apply(revision, operations, record.Offset);
                    }
                    reader.Advance();
                    break;
                case PeekResult.NeedsLoad:
                    if (_log.LoadWindow(reader.NextOffset) is { } window)
                    {
                        reader.Attach(window);
                    }
                    break;
                default:
                    SettleDead();
                    return;
            }
        }
    }

    /// <summary>Tells watchers, in order; a change made by a watcher is told by the call that is already telling.</summary>
    private void Dispatch()
    {
        while (true)
        {
            MetadataChange? change;
            Watcher[] watchers;
            lock (_sync)
            {
                if (_dispatching || !_changes.TryDequeue(out change))
                {
                    return;
                }
                _dispatching = true;
                watchers = [.. _watchers];
            }
            try
            {
                foreach (Watcher watcher in watchers)
                {
                    watcher.Tell(change);
                }
            }
            finally
            {
                lock (_sync)
                {
                    _dispatching = false;
                }
            }
        }
    }

    private sealed class Watcher(EmbeddedMetadataStore owner, string prefix, Action<MetadataChange> onChange) : IDisposable
    {
        private volatile bool _disposed;

        public void Tell(MetadataChange change)
        {
            if (!_disposed && change.Key.StartsWith(prefix, StringComparison.Ordinal))
            {
                onChange(change);
            }
        }

        public void Dispose()
        {
            _disposed = true;
            lock (owner._sync)
            {
                owner._watchers.Remove(this);
            }
        }
    }
}
