namespace Sluice.Security;

/// <summary>
/// Permissions of one user in one virtual host. Answers come from a memory of names already asked for: no regular expression is run and nothing is
/// allocated for a name seen before. Follows changes: a permission withdrawn is refused at the next check. Thread-safe.
/// </summary>
public sealed class VirtualHostAccess
{
    // The default exchange has no name to match; RabbitMQ's permissions call it so.
    private const string DefaultExchangeName = "amq.default";

    private readonly AccessControl _accessControl;
    private Seen _seen;

    internal VirtualHostAccess(AccessControl accessControl, string user, string virtualHost)
    {
        _accessControl = accessControl;
        User = user;
        VirtualHost = virtualHost;
        _seen = Look(accessControl.Snapshot);
    }

    public string User { get; }

    public string VirtualHost { get; }

    /// <summary>Whether the user has the tag <see cref="UserTags.Administrator"/>.</summary>
    public bool IsAdministrator => Current.User?.IsAdministrator == true;

    /// <summary>Whether the user is still there.</summary>
    public bool HasUser => Current.User is not null;

    private PermissionRules Rules => Current.Rules;

    private Seen Current
    {
        get
        {
            Seen seen = _seen;
            SecuritySnapshot snapshot = _accessControl.Snapshot;
            if (!ReferenceEquals(seen.Snapshot, snapshot))
            {
                _seen = seen = Look(snapshot);
            }

            return seen;
        }
    }

    /// <param name="access">What is asked.</param>
    /// <param name="resource">Name of a queue or exchange; empty, the default exchange, is asked as <c>amq.default</c>, as RabbitMQ does.</param>
    public bool Allows(Access access, string resource) => Rules.Allows(access, resource.Length == 0 ? DefaultExchangeName : resource);

    /// <summary>Whether it is allowed for any name at all, as far as the pattern tells without being tried.</summary>
    public bool AllowsSome(Access access) => Rules.AllowsSome(access);

    /// <summary>Whether a topic exchange may be written (published to) or read (bound) with the routing key. True when no topic permission is set for it.</summary>
    public bool AllowsTopic(Access access, string exchange, string routingKey) => Rules.AllowsTopic(access, exchange, routingKey);

    /// <summary>Whether any topic permission is set for the exchange, so that <see cref="AllowsTopic"/> has to be asked for each routing key.</summary>
    public bool RestrictsTopics(string exchange) => Rules.RestrictsTopics(exchange);

    private Seen Look(SecuritySnapshot snapshot) => new(snapshot, snapshot.RulesOf(User, VirtualHost), snapshot.Users.GetValueOrDefault(User));

    private sealed record Seen(SecuritySnapshot Snapshot, PermissionRules Rules, User? User);
}
