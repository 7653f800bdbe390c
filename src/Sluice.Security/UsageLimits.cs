namespace Sluice.Security;

/// <summary>Counts connections and channels against the limits of users and virtual hosts. Thread-safe.</summary>
public sealed class UsageLimits
{
    public UsageLimits(AccessControl accessControl) => throw new NotImplementedException();

    /// <summary>Counts a connection; or returns the reason why there may not be another one, having counted nothing.</summary>
    public string? TryAddConnection(string user, string virtualHost) => throw new NotImplementedException();

    public void RemoveConnection(string user, string virtualHost) => throw new NotImplementedException();

    /// <summary>Counts a channel; or returns the reason why there may not be another one.</summary>
    public string? TryAddChannel(string user) => throw new NotImplementedException();

    /// <param name="user">Whose.</param>
    /// <param name="count">How many end at once.</param>
    public void RemoveChannels(string user, int count) => throw new NotImplementedException();

    /// <summary>The reason why the virtual host may not have another queue; null if it may.</summary>
    public string? RefuseQueue(string virtualHost, int queueCount) => throw new NotImplementedException();
}
