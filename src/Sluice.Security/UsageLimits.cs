using System.Runtime.InteropServices;

namespace Sluice.Security;

/// <summary>Counts connections and channels against the limits of users and virtual hosts. Thread-safe.</summary>
public sealed class UsageLimits(AccessControl accessControl)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _connectionsByUser = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _connectionsByVirtualHost = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _channelsByUser = new(StringComparer.Ordinal);

    /// <summary>Counts a connection; or returns the reason why there may not be another one, having counted nothing.</summary>
    public string? TryAddConnection(string user, string virtualHost)
    {
        int? userMax = accessControl.FindUser(user)?.Limits.ConnectionsMax;
        int? virtualHostMax = accessControl.LimitsOf(virtualHost).ConnectionsMax;
        lock (_lock)
        {
            if (_connectionsByVirtualHost.GetValueOrDefault(virtualHost) >= virtualHostMax)
            {
                return $"access to vhost '{virtualHost}' refused for user '{user}': vhost connection limit ({virtualHostMax}) is reached";
            }

            if (_connectionsByUser.GetValueOrDefault(user) >= userMax)
            {
                return $"connection refused for user '{user}': user connection limit ({userMax}) is reached";
            }

            Add(_connectionsByVirtualHost, virtualHost, 1);
            Add(_connectionsByUser, user, 1);
            return null;
        }
    }

    public void RemoveConnection(string user, string virtualHost)
    {
        lock (_lock)
        {
            Add(_connectionsByVirtualHost, virtualHost, -1);
            Add(_connectionsByUser, user, -1);
        }
    }

    /// <summary>Counts a channel; or returns the reason why there may not be another one.</summary>
    public string? TryAddChannel(string user)
    {
        int? max = accessControl.FindUser(user)?.Limits.ChannelsMax;
        lock (_lock)
        {
            if (_channelsByUser.GetValueOrDefault(user) >= max)
            {
                return $"number of channels opened for user '{user}' has reached the maximum allowed user limit of ({max})";
            }

            Add(_channelsByUser, user, 1);
            return null;
        }
    }

    /// <param name="user">Whose.</param>
    /// <param name="count">How many end at once.</param>
    public void RemoveChannels(string user, int count)
    {
        lock (_lock)
        {
            Add(_channelsByUser, user, -count);
        }
    }

    /// <summary>The reason why the virtual host may not have another queue beyond <paramref name="queueCount"/>; null if it may.</summary>
    public string? RefuseQueue(string virtualHost, int queueCount)
    {
        int? max = accessControl.LimitsOf(virtualHost).QueuesMax;
        return queueCount >= max ? $"queue limit in vhost '{virtualHost}' ({max}) is reached" : null;
    }

    private static void Add(Dictionary<string, int> counts, string name, int change)
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(counts, name, out _);
        count += change;
        if (count <= 0)
        {
            counts.Remove(name);
        }
    }
}
