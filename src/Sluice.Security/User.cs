using System.Collections.Immutable;
using Sluice.Security.Sasl;

namespace Sluice.Security;

/// <summary>One who may connect.</summary>
/// <param name="Name">Case-sensitive, not empty.</param>
/// <param name="Password">Null: no password opens the account (it may still be used with a client certificate).</param>
/// <param name="Tags">What the user may do in management; see <see cref="UserTags"/>. Others are kept and mean nothing.</param>
/// <param name="Limits">Of this user over all virtual hosts.</param>
public sealed record User(string Name, PasswordHash? Password, IReadOnlyList<string> Tags, UserLimits Limits)
{
    /// <summary>Credentials for SCRAM, at most one for each mechanism; they open the account beside the password.</summary>
    public ImmutableArray<ScramCredential> Scram { get; init; } = [];

    /// <summary>By content: of the password and the credentials what is kept of them, the tags in their order, the credentials in any.</summary>
    public bool Equals(User? other) =>
        other is not null
        && Name == other.Name
        && Password?.Encode() == other.Password?.Encode()
        && Tags.SequenceEqual(other.Tags, StringComparer.Ordinal)
        && Limits == other.Limits
        && HasSameScram(other);

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    public bool HasTag(string tag) => Tags.Contains(tag);

    public bool IsAdministrator => HasTag(UserTags.Administrator);

    internal bool HasSameScram(User other) =>
        Scram.Select(static credential => credential.Encode()).ToHashSet(StringComparer.Ordinal).SetEquals(other.Scram.Select(static credential => credential.Encode()));
}

/// <summary>Tags with a meaning, as in RabbitMQ.</summary>
public static class UserTags
{
    /// <summary>Everything, users and virtual hosts included.</summary>
    public const string Administrator = "administrator";

    /// <summary>Sees all connections, channels and node figures.</summary>
    public const string Monitoring = "monitoring";

    /// <summary>Manages policies and parameters of the virtual hosts that it can reach.</summary>
    public const string Policymaker = "policymaker";

    /// <summary>May use the management API for what it could do over AMQP.</summary>
    public const string Management = "management";

    /// <summary>May publish with a user-id that is not its own.</summary>
    public const string Impersonator = "impersonator";
}

/// <param name="ConnectionsMax">Null: no limit.</param>
/// <param name="ChannelsMax">Null: no limit.</param>
public readonly record struct UserLimits(int? ConnectionsMax, int? ChannelsMax);

/// <param name="ConnectionsMax">Null: no limit.</param>
/// <param name="QueuesMax">Null: no limit.</param>
public readonly record struct VirtualHostLimits(int? ConnectionsMax, int? QueuesMax);

/// <summary>What a user may do in a virtual host: regular expressions over the names of queues and exchanges; empty matches nothing.</summary>
public sealed record Permission(string User, string VirtualHost, string Configure, string Write, string Read);

/// <summary>
/// Which routing keys a user may publish to and bind on one topic exchange. <c>{username}</c> and <c>{vhost}</c> stand for the names, taken literally.
/// </summary>
public sealed record TopicPermission(string User, string VirtualHost, string Exchange, string Write, string Read);

/// <summary>What is asked of a resource.</summary>
public enum Access
{
    Configure,
    Write,
    Read,
}
