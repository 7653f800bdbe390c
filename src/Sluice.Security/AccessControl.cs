using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Security.Sasl;

namespace Sluice.Security;

#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose.
/// <summary>
/// Users, their permissions and limits. Reads go to an immutable snapshot; a change is kept by the store first and then swapped in,
/// so that the next check of every connection sees it. Thread-safe.
/// </summary>
public sealed class AccessControl
{
    private const int DecoySecretBytes = 32;

    private readonly ISecurityStore _store;
    private readonly ILogger _logger;
    private readonly bool _scramFromPasswords;
    private readonly SemaphoreSlim _changing = new(1);
    private SecuritySnapshot _snapshot;

    /// <summary>Loads everything from the store.</summary>
    /// <exception cref="InvalidDataException">An entry is damaged or of a newer version; the message names it.</exception>
    /// <param name="store">Where it is kept.</param>
    /// <param name="logger">Hears of changes.</param>
    /// <param name="scramFromPasswords">Whether a password that is set is also made into credentials for SCRAM.</param>
    public AccessControl(ISecurityStore store, ILogger<AccessControl> logger, bool scramFromPasswords = true)
    {
        _store = store;
        _logger = logger;
        _scramFromPasswords = scramFromPasswords;
        _snapshot = SecurityRecords.Read(store.Load());
    }

    /// <summary>True when there is no user at all: the first start.</summary>
    public bool IsEmpty => Snapshot.Users.IsEmpty;

    public IReadOnlyCollection<User> Users => [.. Snapshot.Users.Values];

    public IReadOnlyCollection<Permission> Permissions => [.. Snapshot.Permissions.Values.Select(rules => rules.Permission).OfType<Permission>()];

    public IReadOnlyCollection<TopicPermission> TopicPermissions => [.. Snapshot.Permissions.Values.SelectMany(rules => rules.TopicPermissions.Values)];

    /// <summary>Virtual hosts that have limits.</summary>
    public IReadOnlyDictionary<string, VirtualHostLimits> VirtualHostLimits => Snapshot.Limits;

    internal SecuritySnapshot Snapshot => Volatile.Read(ref _snapshot);

    public User? FindUser(string name) => Snapshot.Users.GetValueOrDefault(name);

    public Permission? FindPermission(string user, string virtualHost) => Snapshot.RulesOf(user, virtualHost).Permission;

    /// <summary>On the first start (no user at all): creates an administrator with all permissions on the virtual host, in one step. Otherwise does nothing, and returns false.</summary>
    public ValueTask<bool> CreateFirstUserAsync(string name, string password, string virtualHost) => ChangeAsync(snapshot =>
    {
        if (!snapshot.Users.IsEmpty)
        {
            return null;
        }

        User user = WithPassword(new User(name, null, [UserTags.Administrator], default), password);
        var permission = new Permission(name, virtualHost, ".*", ".*", ".*");
        PermissionRules rules = new(permission, snapshot.RulesOf(name, virtualHost).TopicPermissions);
        return (
            [SecurityRecords.Put(user), SecurityRecords.Put(permission)],
            (snapshot with { Users = snapshot.Users.SetItem(name, user) }).WithRules(name, virtualHost, rules));
    });

    /// <summary>The user with that password, and with credentials for SCRAM of it if such are made; with those that it has if they are of this password. Takes tens of milliseconds of CPU by design.</summary>
    public User WithPassword(User user, string password)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(password);
        if (FindUser(user.Name) is { } existing && HasPassword(existing, utf8))
        {
            return user with { Password = existing.Password, Scram = existing.Scram };
        }

        return user with { Password = PasswordHash.Create(utf8), Scram = _scramFromPasswords ? ScramCredential.DeriveAll(utf8) : [] };
    }

    /// <summary>Creates or replaces the user. One that comes without credentials for SCRAM keeps those it had if its password stays what it was.</summary>
    /// <param name="user">As it is to be.</param>
    /// <param name="by">The user who asks for it, for the log; null: the program that the broker is part of.</param>
    /// <param name="keepsLimits">One that is there keeps its limits.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public ValueTask<PutOutcome> PutUserAsync(User user, string? by = null, bool keepsLimits = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(user.Name);
        return ChangeUserAsync(user.Name, before => before is null ? user : user with
        {
            Scram = user.Scram.IsEmpty && before.Password?.Encode() == user.Password?.Encode() ? before.Scram : user.Scram,
            Limits = keepsLimits ? before.Limits : user.Limits,
        }, by);
    }

    /// <summary>Puts what a function makes of a user into its place, so that of two changes at once none is lost.</summary>
    /// <param name="name">Whose.</param>
    /// <param name="change">Of the user as it is, null if there is none; null leaves all as it is. Must have the same name.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public async ValueTask<PutOutcome> ChangeUserAsync(string name, Func<User?, User?> change, string? by = null)
    {
        User? before = null;
        User? after = null;
        bool isChange = await ChangeAsync(snapshot =>
        {
            before = snapshot.Users.GetValueOrDefault(name);
            after = change(before);
            return after is null || after.Equals(before) ? null : ([SecurityRecords.Put(after)], snapshot with { Users = snapshot.Users.SetItem(name, after) });
        }).ConfigureAwait(false);
        if (isChange)
        {
            LogChange(by, before is null ? $"created user '{name}': {UserWords.Of(after!)}" : $"changed user '{name}': {UserWords.Changes(before, after!)}");
        }

        return Outcome(isChange, before);
    }

    /// <summary>Sets or takes away credentials for SCRAM, all in one step. A user that is not there is made, without a password, tags and permissions; what is to be taken away and is not there is passed over.</summary>
    /// <param name="changes">What is to be done.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    /// <exception cref="ArgumentException">A name is empty.</exception>
    public async ValueTask AlterScramAsync(IReadOnlyList<ScramChange> changes, string? by = null)
    {
        List<string> done = [];
        await ChangeAsync(snapshot =>
        {
            ImmutableDictionary<string, User> users = snapshot.Users;
            var altered = new HashSet<string>(StringComparer.Ordinal);
            foreach (ScramChange change in changes)
            {
                ArgumentException.ThrowIfNullOrEmpty(change.UserName);
                User? user = users.GetValueOrDefault(change.UserName);
                if (change.Credential is not null || user?.Scram.Any(credential => credential.Mechanism == change.Mechanism) == true)
                {
                    done.Add($"{(user is null ? "created" : "changed")} user '{change.UserName}': {(change.Credential is null ? "no" : "a")} credential for {change.Mechanism.Name()}");
                    user ??= new User(change.UserName, null, [], default);
                    IEnumerable<ScramCredential> others = user.Scram.Where(credential => credential.Mechanism != change.Mechanism);
                    users = users.SetItem(user.Name, user with { Scram = change.Credential is { } set ? [.. others, set] : [.. others] });
                    altered.Add(user.Name);
                }
            }

            return altered.Count == 0 ? null : ([.. altered.Select(name => SecurityRecords.Put(users[name]))], snapshot with { Users = users });
        }).ConfigureAwait(false);
        done.ForEach(what => LogChange(by, what));
    }

    /// <summary>Deletes the user, its credentials and its permissions; false if there is none.</summary>
    /// <param name="name">Whose.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public async ValueTask<bool> DeleteUserAsync(string name, string? by = null)
    {
        bool deleted = await ChangeAsync(snapshot =>
        {
            if (!snapshot.Users.ContainsKey(name))
            {
                return null;
            }

            (List<SecurityChange> changes, SecuritySnapshot next) = WithoutRules(snapshot, pair => pair.User == name);
            changes.Add(SecurityRecords.Delete(SecurityRecords.UserKey(name)));
            return (changes, next with { Users = next.Users.Remove(name) });
        }).ConfigureAwait(false);
        if (deleted)
        {
            LogChange(by, $"deleted user '{name}'");
        }

        return deleted;
    }

    /// <param name="permission">As it is to be.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    /// <exception cref="ArgumentException">No such user, or not a regular expression; the message says which.</exception>
    public async ValueTask<PutOutcome> PutPermissionAsync(Permission permission, string? by = null)
    {
        NamePattern.Check(permission.Configure);
        NamePattern.Check(permission.Write);
        NamePattern.Check(permission.Read);
        Permission? before = null;
        bool isChange = await ChangeAsync(snapshot =>
        {
            RequireUser(snapshot, permission.User);
            PermissionRules rules = snapshot.RulesOf(permission.User, permission.VirtualHost);
            before = rules.Permission;
            return before == permission ? null : (
                [SecurityRecords.Put(permission)],
                snapshot.WithRules(permission.User, permission.VirtualHost, new PermissionRules(permission, rules.TopicPermissions)));
        }).ConfigureAwait(false);
        if (isChange)
        {
            LogChange(
                by,
                $"{(before is null ? $"gave user '{permission.User}' permissions" : $"changed the permissions of user '{permission.User}'")} in virtual host '{permission.VirtualHost}': configure '{permission.Configure}', write '{permission.Write}', read '{permission.Read}'");
        }

        return Outcome(isChange, before);
    }

    /// <param name="user">Whose.</param>
    /// <param name="virtualHost">Where.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public async ValueTask<bool> DeletePermissionAsync(string user, string virtualHost, string? by = null)
    {
        bool deleted = await ChangeAsync(snapshot =>
        {
            PermissionRules rules = snapshot.RulesOf(user, virtualHost);
            return rules.Permission is null
                ? null
                : ([SecurityRecords.Delete(SecurityRecords.PermissionKey(virtualHost, user))],
                    snapshot.WithRules(user, virtualHost, new PermissionRules(null, rules.TopicPermissions)));
        }).ConfigureAwait(false);
        if (deleted)
        {
            LogChange(by, $"took from user '{user}' its permissions in virtual host '{virtualHost}'");
        }

        return deleted;
    }

    /// <param name="permission">As it is to be.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    /// <exception cref="ArgumentException">No such user, or not a regular expression; the message says which.</exception>
    public async ValueTask<PutOutcome> PutTopicPermissionAsync(TopicPermission permission, string? by = null)
    {
        NamePattern.Check(PermissionRules.Expand(permission.Write, permission));
        NamePattern.Check(PermissionRules.Expand(permission.Read, permission));
        TopicPermission? before = null;
        bool isChange = await ChangeAsync(snapshot =>
        {
            RequireUser(snapshot, permission.User);
            PermissionRules rules = snapshot.RulesOf(permission.User, permission.VirtualHost);
            before = rules.TopicPermissions.GetValueOrDefault(permission.Exchange);
            return before == permission ? null : (
                [SecurityRecords.Put(permission)],
                snapshot.WithRules(
                    permission.User,
                    permission.VirtualHost,
                    new PermissionRules(rules.Permission, rules.TopicPermissions.SetItem(permission.Exchange, permission))));
        }).ConfigureAwait(false);
        if (isChange)
        {
            LogChange(
                by,
                $"{(before is null ? $"gave user '{permission.User}' permissions" : $"changed the permissions of user '{permission.User}'")} on routing keys of exchange '{permission.Exchange}' in virtual host '{permission.VirtualHost}': write '{permission.Write}', read '{permission.Read}'");
        }

        return Outcome(isChange, before);
    }

    /// <param name="user">Whose.</param>
    /// <param name="virtualHost">Where.</param>
    /// <param name="exchange">Null: all of the user in the virtual host.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public async ValueTask<bool> DeleteTopicPermissionsAsync(string user, string virtualHost, string? exchange, string? by = null)
    {
        bool deleted = await ChangeAsync(snapshot =>
        {
            PermissionRules rules = snapshot.RulesOf(user, virtualHost);
            TopicPermission[] gone = [.. rules.TopicPermissions.Values.Where(topic => exchange is null || topic.Exchange == exchange)];
            return gone.Length == 0
                ? null
                : ([.. gone.Select(topic => SecurityRecords.Delete(SecurityRecords.TopicKey(topic)))],
                    snapshot.WithRules(user, virtualHost, new PermissionRules(rules.Permission, rules.TopicPermissions.RemoveRange(gone.Select(topic => topic.Exchange)))));
        }).ConfigureAwait(false);
        if (deleted)
        {
            LogChange(by, $"took from user '{user}' its permissions on routing keys of {(exchange is null ? "all exchanges" : $"exchange '{exchange}'")} in virtual host '{virtualHost}'");
        }

        return deleted;
    }

    public VirtualHostLimits LimitsOf(string virtualHost) => Snapshot.Limits.GetValueOrDefault(virtualHost);

    /// <summary>Sets the limits; those without any are forgotten.</summary>
    /// <param name="virtualHost">Whose.</param>
    /// <param name="limits">As they are to be.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public ValueTask<PutOutcome> PutVirtualHostLimitsAsync(string virtualHost, VirtualHostLimits limits, string? by = null) => ChangeVirtualHostLimitsAsync(virtualHost, _ => limits, by);

    /// <summary>Puts what a function makes of the limits into their place, so that of two changes at once none is lost.</summary>
    /// <param name="virtualHost">Whose.</param>
    /// <param name="change">Of the limits as they are.</param>
    /// <param name="by">As with <see cref="PutUserAsync"/>.</param>
    public async ValueTask<PutOutcome> ChangeVirtualHostLimitsAsync(string virtualHost, Func<VirtualHostLimits, VirtualHostLimits> change, string? by = null)
    {
        VirtualHostLimits limits = default;
        bool isChange = await ChangeAsync(snapshot =>
        {
            VirtualHostLimits before = snapshot.Limits.GetValueOrDefault(virtualHost);
            limits = change(before);
            return before == limits ? null
                : limits == default ? ([SecurityRecords.Delete(SecurityRecords.LimitsKey(virtualHost))], snapshot with { Limits = snapshot.Limits.Remove(virtualHost) })
                : ([SecurityRecords.Put(virtualHost, limits)], snapshot with { Limits = snapshot.Limits.SetItem(virtualHost, limits) });
        }).ConfigureAwait(false);
        if (isChange)
        {
            LogChange(by, $"changed the limits of virtual host '{virtualHost}': connections {UserWords.Limit(limits.ConnectionsMax)}, queues {UserWords.Limit(limits.QueuesMax)}");
        }

        return isChange ? PutOutcome.Changed : PutOutcome.Unchanged;
    }

    /// <summary>Forgets permissions and limits of a virtual host that is gone.</summary>
    public async ValueTask DeleteVirtualHostAsync(string virtualHost) => await ChangeAsync(snapshot =>
    {
        (List<SecurityChange> changes, SecuritySnapshot next) = WithoutRules(snapshot, pair => pair.VirtualHost == virtualHost);
        changes.Add(SecurityRecords.Delete(SecurityRecords.LimitsKey(virtualHost)));
        return (changes, next with { Limits = next.Limits.Remove(virtualHost) });
    }).ConfigureAwait(false);

    /// <summary>What the user may do in the virtual host, as a handle for a connection to ask for each operation. Null when it may not enter (no permission is set for it there).</summary>
    public VirtualHostAccess? Enter(string user, string virtualHost) =>
        FindPermission(user, virtualHost) is null ? null : AccessOf(user, virtualHost);

    /// <summary>As <see cref="Enter"/>, but also for who has no permission there, whom it allows nothing until it has.</summary>
    public VirtualHostAccess AccessOf(string user, string virtualHost) => new(this, user, virtualHost);

    /// <summary>The secret that makes up what SCRAM shows of users that are not there; chosen when it is first needed.</summary>
    internal async ValueTask<byte[]> DecoySecretAsync()
    {
        if (Snapshot.DecoySecret is null)
        {
            byte[] secret = RandomNumberGenerator.GetBytes(DecoySecretBytes);
            await ChangeAsync(snapshot => snapshot.DecoySecret is not null ? null : ([SecurityRecords.PutDecoySecret(secret)], snapshot with { DecoySecret = secret })).ConfigureAwait(false);
        }

        return Snapshot.DecoySecret!;
    }

    private static void RequireUser(SecuritySnapshot snapshot, string user)
    {
        if (!snapshot.Users.ContainsKey(user))
        {
            throw new ArgumentException($"There is no user '{user}': create it first.", nameof(user));
        }
    }

    private static (List<SecurityChange> Changes, SecuritySnapshot Next) WithoutRules(SecuritySnapshot snapshot, Func<(string User, string VirtualHost), bool> isGone)
    {
        var changes = new List<SecurityChange>();
        ImmutableDictionary<(string User, string VirtualHost), PermissionRules>.Builder rest = snapshot.Permissions.ToBuilder();
        foreach (((string User, string VirtualHost) pair, PermissionRules rules) in snapshot.Permissions.Where(entry => isGone(entry.Key)))
        {
            rest.Remove(pair);
            changes.Add(SecurityRecords.Delete(SecurityRecords.PermissionKey(pair.VirtualHost, pair.User)));
            changes.AddRange(rules.TopicPermissions.Values.Select(topic => SecurityRecords.Delete(SecurityRecords.TopicKey(topic))));
        }

        return (changes, snapshot with { Permissions = rest.ToImmutable() });
    }

    private static PutOutcome Outcome(bool isChange, object? before) => !isChange ? PutOutcome.Unchanged : before is null ? PutOutcome.Created : PutOutcome.Changed;

    /// <summary>Whether the user has this password and, as strong as it would be set, what SCRAM needs of it.</summary>
    private bool HasPassword(User user, byte[] utf8) =>
        user.Password is { Algorithm: PasswordAlgorithm.Pbkdf2Sha256, Iterations: PasswordHash.DefaultIterations } hash
        && user.Scram.Length == (_scramFromPasswords ? ScramMechanisms.All.Count : 0)
        && hash.Verify(utf8)
        && user.Scram.All(credential => credential.Iterations >= ScramCredential.IterationsDefault && credential.IsOf(utf8));

    private void LogChange(string? by, string what) => _logger.LogInformation("{Who} {What}", ChangeWords.Who(by), what);

    /// <summary>One change at a time: kept by the store, then visible. False when <paramref name="change"/> found nothing to do.</summary>
    private async ValueTask<bool> ChangeAsync(Func<SecuritySnapshot, (IReadOnlyList<SecurityChange> Changes, SecuritySnapshot Next)?> change)
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            if (change(Snapshot) is not { } result)
            {
                return false;
            }

            await _store.CommitAsync(result.Changes).ConfigureAwait(false);
            Volatile.Write(ref _snapshot, result.Next);
            return true;
        }
        finally
        {
            _changing.Release();
        }
    }
}
