using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Sluice.Security;

/// <summary>All of security's state at one moment. Immutable, but for what its patterns remember.</summary>
internal sealed record SecuritySnapshot(
    ImmutableDictionary<string, User> Users,
    ImmutableDictionary<(string User, string VirtualHost), PermissionRules> Permissions,
    ImmutableDictionary<string, VirtualHostLimits> Limits)
{
    public static SecuritySnapshot Empty { get; } = new(
        ImmutableDictionary.Create<string, User>(StringComparer.Ordinal),
        ImmutableDictionary<(string, string), PermissionRules>.Empty,
        ImmutableDictionary.Create<string, VirtualHostLimits>(StringComparer.Ordinal));

    /// <summary>Makes up what SCRAM shows of users that are not there; null before it was first needed.</summary>
    public byte[]? DecoySecret { get; init; }

    public PermissionRules RulesOf(string user, string virtualHost) => Permissions.GetValueOrDefault((user, virtualHost)) ?? PermissionRules.None;

    public SecuritySnapshot WithRules(string user, string virtualHost, PermissionRules rules) => this with
    {
        Permissions = rules.IsEmpty ? Permissions.Remove((user, virtualHost)) : Permissions.SetItem((user, virtualHost), rules),
    };
}

/// <summary>Everything set for one user in one virtual host, ready to be asked.</summary>
internal sealed class PermissionRules
{
    private readonly NamePattern? _configure;
    private readonly NamePattern? _write;
    private readonly NamePattern? _read;
    private readonly Dictionary<string, (NamePattern Write, NamePattern Read)>? _topics;

    public PermissionRules(Permission? permission, ImmutableDictionary<string, TopicPermission> topicPermissions)
    {
        Permission = permission;
        TopicPermissions = topicPermissions;
        if (permission is not null)
        {
            _configure = new NamePattern(permission.Configure);
            _write = permission.Write == permission.Configure ? _configure : new NamePattern(permission.Write);
            _read = permission.Read == permission.Configure ? _configure : new NamePattern(permission.Read);
        }

        if (!topicPermissions.IsEmpty)
        {
            _topics = topicPermissions.Values.ToDictionary(
                topic => topic.Exchange,
                topic => (new NamePattern(Expand(topic.Write, topic)), new NamePattern(Expand(topic.Read, topic))),
                StringComparer.Ordinal);
        }
    }

    public static PermissionRules None { get; } = new(null, ImmutableDictionary<string, TopicPermission>.Empty);

    public Permission? Permission { get; }

    /// <summary>By exchange.</summary>
    public ImmutableDictionary<string, TopicPermission> TopicPermissions { get; }

    public bool IsEmpty => Permission is null && TopicPermissions.IsEmpty;

    public bool Allows(Access access, string resource) => PatternOf(access)?.Matches(resource) == true;

    public bool AllowsSome(Access access) => PatternOf(access)?.IsEmpty == false;

    public bool AllowsTopic(Access access, string exchange, string routingKey) =>
        _topics is null
        || !_topics.TryGetValue(exchange, out (NamePattern Write, NamePattern Read) patterns)
        || (access == Access.Write ? patterns.Write : patterns.Read).Matches(routingKey);

    public bool RestrictsTopics(string exchange) => _topics is not null && _topics.ContainsKey(exchange);

    /// <summary>Names are escaped: a user called ".*" gets a pattern for those two characters, not for everything.</summary>
    public static string Expand(string pattern, TopicPermission topic) => pattern
        .Replace("{username}", Regex.Escape(topic.User), StringComparison.Ordinal)
        .Replace("{vhost}", Regex.Escape(topic.VirtualHost), StringComparison.Ordinal);

    private NamePattern? PatternOf(Access access) => access switch
    {
        Access.Configure => _configure,
        Access.Write => _write,
        _ => _read,
    };
}
