using Microsoft.Extensions.Logging;

namespace Sluice.Security;

/// <summary>
/// Users, their permissions and limits. Reads go to an immutable snapshot; a change is kept by the store first and then swapped in,
/// so that the next check of every connection sees it. Thread-safe.
/// </summary>
public sealed class AccessControl
{
    /// <summary>Loads everything from the store.</summary>
    public AccessControl(ISecurityStore store, ILogger<AccessControl> logger) => throw new NotImplementedException();

    /// <summary>True when there is no user at all: the first start.</summary>
    public bool IsEmpty => throw new NotImplementedException();

    public IReadOnlyCollection<User> Users => throw new NotImplementedException();

    public IReadOnlyCollection<Permission> Permissions => throw new NotImplementedException();

    public IReadOnlyCollection<TopicPermission> TopicPermissions => throw new NotImplementedException();

    public User? FindUser(string name) => throw new NotImplementedException();

    public ValueTask PutUserAsync(User user) => throw new NotImplementedException();

    /// <summary>Deletes the user and its permissions; false if there is none.</summary>
    public ValueTask<bool> DeleteUserAsync(string name) => throw new NotImplementedException();

    /// <exception cref="ArgumentException">No such user, or not a regular expression; the message says which.</exception>
    public ValueTask PutPermissionAsync(Permission permission) => throw new NotImplementedException();

    public ValueTask<bool> DeletePermissionAsync(string user, string virtualHost) => throw new NotImplementedException();

    /// <exception cref="ArgumentException">No such user, or not a regular expression; the message says which.</exception>
    public ValueTask PutTopicPermissionAsync(TopicPermission permission) => throw new NotImplementedException();

    /// <param name="exchange">Null: all of the user in the virtual host.</param>
    public ValueTask<bool> DeleteTopicPermissionsAsync(string user, string virtualHost, string? exchange) => throw new NotImplementedException();

    public VirtualHostLimits LimitsOf(string virtualHost) => throw new NotImplementedException();

    public ValueTask PutVirtualHostLimitsAsync(string virtualHost, VirtualHostLimits limits) => throw new NotImplementedException();

    /// <summary>Forgets permissions and limits of a virtual host that is gone.</summary>
    public ValueTask DeleteVirtualHostAsync(string virtualHost) => throw new NotImplementedException();

    /// <summary>What the user may do in the virtual host, as a handle for a connection to ask for each operation. Null when it may not enter (no permission entry at all).</summary>
    public VirtualHostAccess? Enter(string user, string virtualHost) => throw new NotImplementedException();
}
