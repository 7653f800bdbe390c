using Microsoft.Extensions.Logging;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Acls;

#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose.
/// <summary>The access control list, kept in the metadata store. Reads go to an immutable table; a change is kept first and then swapped in. Thread-safe.</summary>
internal sealed class AclStore
{
    /// <summary>Entries there can be.</summary>
    public const int EntriesMax = 100_000;

    private static readonly byte[] s_formatVersion = [1];

    private readonly IMetadataStore _metadata;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _changing = new(1);
    private AclTable _table;

    /// <exception cref="InvalidDataException">An entry is of a newer version or damaged; the message names it.</exception>
    public AclStore(IMetadataStore metadata, ILogger logger)
    {
        _metadata = metadata;
        _logger = logger;
        _table = new AclTable([.. metadata.Range(Acl.AllKeys).Select(static entry => Acl.OfKey(entry.Key)).ToHashSet()]);
    }

    public AclTable Table => Volatile.Read(ref _table);

    /// <summary>Adds entries, all in one step; those that are there stay. Returns how many were not; null: there would be too many, and nothing is done. Complete when they are kept.</summary>
    /// <param name="added">The entries.</param>
    /// <param name="by">Who asks for it, for the log.</param>
    public async ValueTask<int?> AddAsync(IReadOnlyCollection<Acl> added, string by)
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            var all = Table.All.ToHashSet();
            Acl[] fresh = [.. added.Where(all.Add)];
            if (all.Count > EntriesMax)
            {
                return null;
            }

            await ChangeAsync(fresh, all, s_formatVersion, "added", by).ConfigureAwait(false);
            return fresh.Length;
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Takes entries away; returns for each filter what it has met. Complete when that is kept.</summary>
    /// <param name="filters">What is to go.</param>
    /// <param name="by">Who asks for it, for the log.</param>
    public async ValueTask<IReadOnlyList<Acl>[]> RemoveAsync(IReadOnlyList<AclFilter> filters, string by)
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            var all = Table.All.ToHashSet();
            IReadOnlyList<Acl>[] removed = [.. filters.Select(filter => (IReadOnlyList<Acl>)[.. all.Where(filter.Matches)])];
            Acl[] gone = [.. removed.SelectMany(static acls => acls).Where(all.Remove)];
            await ChangeAsync(gone, all, null, "removed", by).ConfigureAwait(false);
            return removed;
        }
        finally
        {
            _changing.Release();
        }
    }

    private async ValueTask ChangeAsync(Acl[] changed, HashSet<Acl> all, byte[]? value, string what, string by)
    {
        if (changed.Length == 0)
        {
            return;
        }

        ReadOnlyMemory<byte>? kept = value is null ? default(ReadOnlyMemory<byte>?) : value;
        await _metadata.CommitAsync(new MetadataTransaction([], [.. changed.Select(acl => new MetadataOperation(acl.Key, kept))])).ConfigureAwait(false);
        Volatile.Write(ref _table, new AclTable(all));
        foreach (Acl acl in changed)
        {
            _logger.LogInformation("Access control entry {What} by '{User}': {Acl}", what, by, AclWords.Entry(acl));
        }
    }
}
