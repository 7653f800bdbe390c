using Sluice.Broker.Definitions;

namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>For whom a quota is: a user, a client id or both (KIP-13, KIP-546), or an IP address (KIP-612). A null name is the default: all who have no quota by their name.</summary>
/// <param name="HasUser">Whether it says of users.</param>
/// <param name="User">Which.</param>
/// <param name="HasClient">Whether it says of client ids.</param>
/// <param name="Client">Which.</param>
/// <param name="HasAddress">Whether it says of IP addresses; then it says of nothing else.</param>
/// <param name="Address">Which.</param>
internal readonly record struct QuotaEntity(bool HasUser, string? User, bool HasClient, string? Client, bool HasAddress = false, string? Address = null)
{
    public const string UserType = "user", ClientType = "client-id", AddressType = "ip";

    private const string Prefix = "kafka/quota/", Default = "d", Named = "n", Absent = "-";

    /// <summary>Prefix of all quotas in the metadata store.</summary>
    public static string AllKeys => Prefix;

    /// <summary>The types it says of, with their names.</summary>
    public IEnumerable<(string Type, string? Name)> Parts
    {
        get
        {
            if (HasUser)
            {
                yield return (UserType, User);
            }

            if (HasClient)
            {
                yield return (ClientType, Client);
            }

            if (HasAddress)
            {
                yield return (AddressType, Address);
            }
        }
    }

    /// <summary>Where it lies in the metadata store: two parts, each absent, for the default, or named; a third if it is for addresses.</summary>
    public string Key => $"{Prefix}{Part(HasUser, User)}/{Part(HasClient, Client)}{(HasAddress ? $"/{Part(true, Address)}" : "")}";

    public static QuotaEntity OfKey(string key)
    {
        string[] parts = key[Prefix.Length..].Split('/');
        return new QuotaEntity(parts[0] != Absent, NameIn(parts[0]), parts[1] != Absent, NameIn(parts[1]), parts.Length > 2, parts.Length > 2 ? NameIn(parts[2]) : null);
    }

    /// <summary>All that could be said of a client, what counts most first: Kafka's order.</summary>
    public static IEnumerable<QuotaEntity> For(string user, string client) =>
    [
        new(true, user, true, client), new(true, user, true, null), new(true, user, false, null),
        new(true, null, true, client), new(true, null, true, null), new(true, null, false, null),
        new(false, null, true, client), new(false, null, true, null),
    ];

    /// <summary>All that could be said of an address, what counts most first.</summary>
    public static IEnumerable<QuotaEntity> For(string address) => [new(false, null, false, null, true, address), new(false, null, false, null, true, null)];

    /// <summary>Those who share the quota are counted together: each user, client id or pair of them that it is for.</summary>
    public (string User, string Client) Share(string user, string client) => (HasUser ? user : "", HasClient ? client : "");

    private static string Part(bool isThere, string? name) => !isThere ? Absent : name is null ? Default : Named + MetadataKeys.Escape(name);

    private static string? NameIn(string part) => part.StartsWith(Named, StringComparison.Ordinal) ? MetadataKeys.Unescape(part[Named.Length..]) : null;
}
