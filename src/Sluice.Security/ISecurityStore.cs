namespace Sluice.Security;

/// <summary>
/// Where users, permissions and limits are kept: a map of keys to small values. Security decides what they mean; the store only keeps them.
/// </summary>
public interface ISecurityStore
{
    /// <summary>All entries. Called once, at start.</summary>
    IReadOnlyList<SecurityEntry> Load();

    /// <summary>Applies all changes or none. Completes when they would survive a power loss.</summary>
    ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes);
}

/// <param name="Key">Such as <c>user/guest</c>; see <see cref="AccessControl"/>.</param>
/// <param name="Value">Immutable by contract.</param>
public readonly record struct SecurityEntry(string Key, ReadOnlyMemory<byte> Value);

/// <param name="Key">The key changed.</param>
/// <param name="Value">Null deletes.</param>
public readonly record struct SecurityChange(string Key, ReadOnlyMemory<byte>? Value);
