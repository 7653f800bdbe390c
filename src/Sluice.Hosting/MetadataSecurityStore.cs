using Sluice.Security;
using Sluice.Storage.Metadata;

namespace Sluice.Hosting;

/// <summary>Keeps security's entries in the broker's metadata store, below a prefix of their own.</summary>
internal sealed class MetadataSecurityStore(IMetadataStore metadata) : ISecurityStore
{
    private const string Prefix = "security/";

    public IReadOnlyList<SecurityEntry> Load() => [.. metadata.Range(Prefix).Select(entry => new SecurityEntry(entry.Key[Prefix.Length..], entry.Value))];

    public async ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) =>
        await metadata.CommitAsync(new MetadataTransaction([], [.. changes.Select(change => new MetadataOperation(Prefix + change.Key, change.Value))])).ConfigureAwait(false);
}
