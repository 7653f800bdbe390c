namespace Sluice.Storage.Metadata;

/// <summary>
/// A revisioned key-value store for names, definitions and policies, after etcd's model: every transaction raises one
/// store-wide revision, and an entry knows the revisions that created and last changed it. Embedded here; etcd in a cluster.
/// Keys are UTF-8 strings ordered ordinally. Values are opaque bytes. Thread-safe.
/// </summary>
public interface IMetadataStore
{
    /// <summary>Revision of the last committed transaction; 0 for an empty store.</summary>
    long Revision { get; }

    /// <summary>Null if absent.</summary>
    MetadataEntry? Get(string key);

    /// <summary>All entries whose key begins with <paramref name="prefix"/>, in key order, as of one revision.</summary>
    IReadOnlyList<MetadataEntry> Range(string prefix);

    /// <summary>Applies all operations if every condition holds. Completes when the result is kept (<see cref="Durability.Disk"/>).</summary>
    /// <exception cref="IOException">It could not be kept, though it may be read until the next start.</exception>
    ValueTask<MetadataResult> CommitAsync(MetadataTransaction transaction);

    /// <summary>
    /// Completes when all that can be read by now is kept: what is read may be of a transaction that is not kept yet, or never will be. Who finds that there is nothing left to change waits
    /// for this before saying so.
    /// </summary>
    /// <exception cref="IOException">Some of it could not be kept.</exception>
    ValueTask WhenKeptAsync();

    /// <summary>Calls <paramref name="onChange"/> for each later change below <paramref name="prefix"/>, in revision order, until disposed.</summary>
    IDisposable Watch(string prefix, Action<MetadataChange> onChange);
}

/// <param name="Key">The key.</param>
/// <param name="Value">Immutable by contract.</param>
/// <param name="CreateRevision">Revision at which the key came to be.</param>
/// <param name="ModRevision">Revision of its last change.</param>
public sealed record MetadataEntry(string Key, ReadOnlyMemory<byte> Value, long CreateRevision, long ModRevision);

/// <summary>Conditions and operations of one compare-and-swap transaction.</summary>
/// <param name="Conditions">Each names a key and the ModRevision it must have; 0: the key must be absent.</param>
/// <param name="Operations">Puts (value) and deletes (null value), in order.</param>
public sealed record MetadataTransaction(IReadOnlyList<MetadataCondition> Conditions, IReadOnlyList<MetadataOperation> Operations)
{
    public static MetadataTransaction Put(string key, ReadOnlyMemory<byte> value) => new([], [new(key, value)]);

    public static MetadataTransaction Delete(string key) => new([], [new(key, null)]);
}

public readonly record struct MetadataCondition(string Key, long ModRevision);

public readonly record struct MetadataOperation(string Key, ReadOnlyMemory<byte>? Value);

/// <param name="Succeeded">False when a condition did not hold; then nothing changed.</param>
/// <param name="Revision">The store's revision after the transaction.</param>
public readonly record struct MetadataResult(bool Succeeded, long Revision);

/// <param name="Key">The key changed.</param>
/// <param name="Entry">Null when deleted.</param>
/// <param name="Revision">Revision of the change.</param>
public sealed record MetadataChange(string Key, MetadataEntry? Entry, long Revision);
