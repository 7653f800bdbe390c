using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Changes;
using Sluice.Security.Sasl;

namespace Sluice.Security.Tests;

public sealed class AccessControlTests
{
    private readonly MemorySecurityStore _store = new();

    private AccessControl Open() => new(_store, NullLogger<AccessControl>.Instance);

    [Fact]
    public async Task The_first_start_makes_the_default_user_and_later_ones_do_not()
    {
        AccessControl control = Open();
        Assert.True(control.IsEmpty);
        Assert.True(await control.CreateFirstUserAsync("guest", "guest", "/"));
        Assert.Equal(1, _store.Commits);
        Assert.True(control.FindUser("guest")!.IsAdministrator);
        Assert.True(control.Enter("guest", "/")!.Allows(Access.Configure, "x"));

        control = Open();
        await control.PutUserAsync(new User("root", null, ["administrator"], default));
        await control.DeleteUserAsync("guest");
        Assert.False(await Open().CreateFirstUserAsync("guest", "guest", "/"));
        Assert.Null(Open().FindUser("guest"));
    }

    [Fact]
    public async Task What_is_so_already_is_not_written_again_and_not_logged()
    {
        var log = new RecordingLogger<AccessControl>();
        var control = new AccessControl(_store, log);
        User ada = control.WithPassword(new User("ada", null, ["b", "a"], new UserLimits(1, null)), "lovelace");
        var permission = new Permission("ada", "/", "c", "w", "r");
        var topic = new TopicPermission("ada", "/", "t", "w", "r");
        Assert.Equal(PutOutcome.Created, await control.PutUserAsync(ada, "root"));
        Assert.Equal(PutOutcome.Created, await control.PutPermissionAsync(permission, "root"));
        Assert.Equal(PutOutcome.Created, await control.PutTopicPermissionAsync(topic, "root"));
        Assert.Equal(PutOutcome.Changed, await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(1, 2), "root"));
        (int commits, int lines) = (_store.Commits, log.Lines.Count);
        control = new AccessControl(_store, log);
        User again = control.WithPassword(new User("ada", null, ["b", "a"], new UserLimits(1, null)), "lovelace");
        Assert.Equal(PutOutcome.Unchanged, await control.PutUserAsync(again, "root"));
        Assert.Equal(PutOutcome.Unchanged, await control.PutUserAsync(again with { Scram = [] }, "root"));
        Assert.Equal(PutOutcome.Unchanged, await control.PutUserAsync(again with { Scram = [.. again.Scram.Reverse()] }, "root"));
        Assert.Equal(PutOutcome.Unchanged, await control.PutPermissionAsync(permission with { }, "root"));
        Assert.Equal(PutOutcome.Unchanged, await control.PutTopicPermissionAsync(topic with { }, "root"));
        Assert.Equal(PutOutcome.Unchanged, await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(1, 2), "root"));
        await control.AlterScramAsync([new ScramChange("nobody", ScramMechanism.Sha256, null)], "root");
        Assert.Equal((commits, lines), (_store.Commits, log.Lines.Count));
        Assert.Equal(PutOutcome.Changed, await control.PutUserAsync(again with { Tags = ["a", "b"] }, "root"));
        Assert.Equal(PutOutcome.Changed, await control.PutPermissionAsync(permission with { Read = "x" }));
        Assert.Equal(
            ["User 'root' changed user 'ada': tags [a, b] instead of [b, a]", "The broker's host program changed the permissions of user 'ada' in virtual host '/': configure 'c', write 'w', read 'x'"],
            log.Lines.Skip(lines).Select(static line => line.Text));
    }

    [Fact]
    public async Task A_password_is_the_same_only_if_credentials_for_SCRAM_are_of_it_too()
    {
        AccessControl control = Open();
        await control.PutUserAsync(control.WithPassword(new User("ada", null, [], default), "lovelace"));
        User before = control.FindUser("ada")!;
        Assert.Same(before.Password, control.WithPassword(before, "lovelace").Password);
        Assert.NotSame(before.Password, control.WithPassword(before, "byron").Password);

        // A tool has set another for one mechanism.
        await control.AlterScramAsync([new ScramChange("ada", ScramMechanism.Sha256, ScramCredential.FromSaltedPassword(ScramMechanism.Sha256, 5000, new byte[25], new byte[32]))]);
        User mixed = control.FindUser("ada")!;
        Assert.NotSame(mixed.Password, control.WithPassword(mixed, "lovelace").Password);
        Assert.Equal(PutOutcome.Changed, await control.PutUserAsync(control.WithPassword(mixed, "lovelace")));
        Assert.Equal(before.Password!.Iterations, control.FindUser("ada")!.Password!.Iterations);

        // A weak hash is replaced, though it is of the same password.
        await control.PutUserAsync(new User("ada", PasswordHash.Create("lovelace"u8, 10), [], default));
        Assert.Equal(PasswordHash.DefaultIterations, control.WithPassword(control.FindUser("ada")!, "lovelace").Password!.Iterations);
    }

    [Fact]
    public async Task Credentials_for_SCRAM_of_few_rounds_do_not_outlive_the_setting_of_the_same_password()
    {
        AccessControl control = Open();
        await control.PutUserAsync(control.WithPassword(new User("ada", null, [], default), "lovelace"));
        User strong = control.FindUser("ada")!;
        byte[] salt = new byte[16];
        byte[] salted = System.Security.Cryptography.Rfc2898DeriveBytes.Pbkdf2("lovelace"u8, salt, ScramCredential.IterationsMin, System.Security.Cryptography.HashAlgorithmName.SHA256, 32);
        await control.AlterScramAsync([new ScramChange("ada", ScramMechanism.Sha256, ScramCredential.FromSaltedPassword(ScramMechanism.Sha256, ScramCredential.IterationsMin, salt, salted))]);
        Assert.Equal(PutOutcome.Changed, await control.PutUserAsync(control.WithPassword(control.FindUser("ada")!, "lovelace")));
        Assert.All(control.FindUser("ada")!.Scram, credential => Assert.Equal(strong.Scram[0].Iterations, credential.Iterations));
    }

    /// <summary>What is new in a user must count where it is decided whether anything is to be written, and have words.</summary>
    [Fact]
    public void Users_are_the_same_if_all_of_them_is()
    {
        var user = new User("ada", PasswordHash.Create("a"u8, 10), ["a", "b"], new UserLimits(1, 2)) { Scram = ScramCredential.DeriveAll("a"u8) };
        var others = new Dictionary<string, object?[]>
        {
            [nameof(User.Name)] = ["Ada"],
            [nameof(User.Password)] = [null, PasswordHash.Create("a"u8, 10)],
            [nameof(User.Tags)] = [new[] { "b", "a" }, Array.Empty<string>()],
            [nameof(User.Limits)] = [new UserLimits(1, 3), default(UserLimits)],
            [nameof(User.Scram)] = [ScramCredential.DeriveAll("a"u8), System.Collections.Immutable.ImmutableArray<ScramCredential>.Empty],
        };
        foreach (System.Reflection.PropertyInfo property in typeof(User).GetProperties().Where(static property => property.CanWrite))
        {
            foreach (object? value in others[property.Name])
            {
                User other = user with { };
                Assert.Equal(user, other);
                property.SetValue(other, value);
                Assert.NotEqual(user, other);
                Assert.True(property.Name == nameof(User.Name) || UserWords.Changes(user, other).Length > 0, property.Name);
            }
        }

        Assert.Equal(user, new User("ada", PasswordHash.Parse(user.Password!.Encode()), ["a", "b"], new UserLimits(1, 2)) { Scram = [.. user.Scram.Reverse().Select(static credential => ScramCredential.Parse(credential.Encode()))] });
    }

    [Fact]
    public async Task Of_two_changes_of_a_user_at_once_none_is_lost()
    {
        var log = new RecordingLogger<AccessControl>();
        var control = new AccessControl(_store, log);
        await control.PutUserAsync(new User("ada", PasswordHash.Create("one"u8, 10), [], default));
        await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(1, null));
        int lines = log.Lines.Count;
        _store.Gate = new TaskCompletionSource();
        Task<PutOutcome> password = control.PutUserAsync(control.FindUser("ada")! with { Password = PasswordHash.Create("two"u8, 10) }, "root").AsTask();
        Task<PutOutcome> limits = control.ChangeUserAsync("ada", static user => user! with { Limits = user.Limits with { ConnectionsMax = 3 } }, "operator").AsTask();
        Task<PutOutcome> nobody = control.ChangeUserAsync("nobody", static user => user, "operator").AsTask();
        Task<PutOutcome> connections = control.ChangeVirtualHostLimitsAsync("/", static limits => limits with { ConnectionsMax = 5 }, "root").AsTask();
        Task<PutOutcome> queues = control.ChangeVirtualHostLimitsAsync("/", static limits => limits with { QueuesMax = 7 }, "operator").AsTask();
        _store.Gate.SetResult();
        Assert.Equal([PutOutcome.Changed, PutOutcome.Changed, PutOutcome.Unchanged, PutOutcome.Changed, PutOutcome.Changed], await Task.WhenAll(password, limits, nobody, connections, queues));
        Assert.True(control.FindUser("ada")!.Password!.Verify("two"u8));
        Assert.Equal(3, control.FindUser("ada")!.Limits.ConnectionsMax);
        Assert.Equal(new VirtualHostLimits(5, 7), control.LimitsOf("/"));
        Assert.Equal(["User 'root' changed user 'ada': another password", "User 'operator' changed user 'ada': connections 3, channels without limit"], log.Lines.Skip(lines).Take(2).Select(static line => line.Text));
    }

    [Fact]
    public async Task Everything_is_there_after_a_restart()
    {
        AccessControl control = Open();
        await control.PutUserAsync(new User("a/b %ü", PasswordHash.Create("p"u8, 10), ["monitoring", "own-tag"], new UserLimits(3, 7)));
        await control.PutPermissionAsync(new Permission("a/b %ü", "/", "c", "w", "r"));
        await control.PutTopicPermissionAsync(new TopicPermission("a/b %ü", "/", "x/y", "w", "r"));
        await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(5, null));

        control = Open();
        User user = control.FindUser("a/b %ü")!;
        Assert.True(user.Password!.Verify("p"u8));
        Assert.Equal(["monitoring", "own-tag"], user.Tags);
        Assert.Equal(new UserLimits(3, 7), user.Limits);
        Assert.Equal(new Permission("a/b %ü", "/", "c", "w", "r"), Assert.Single(control.Permissions));
        Assert.Equal(new TopicPermission("a/b %ü", "/", "x/y", "w", "r"), Assert.Single(control.TopicPermissions));
        Assert.Equal(new VirtualHostLimits(5, null), control.LimitsOf("/"));
        Assert.Equal(default, control.LimitsOf("other"));
    }

    [Fact]
    public async Task Deleting_a_user_takes_its_permissions_along()
    {
        AccessControl control = Open();
        foreach (string name in new[] { "ada", "bob" })
        {
            await control.PutUserAsync(new User(name, null, [], default));
            await control.PutPermissionAsync(new Permission(name, "/", "", "", ""));
            await control.PutTopicPermissionAsync(new TopicPermission(name, "/", "t", "", ""));
        }

        Assert.True(await control.DeleteUserAsync("ada"));
        Assert.False(await control.DeleteUserAsync("ada"));
        Assert.Equal(3, _store.Entries.Count);
        Assert.All(_store.Entries.Keys, key => Assert.Contains("bob", key, StringComparison.Ordinal));
        Assert.Equal("bob", Assert.Single(Open().Permissions).User);
    }

    [Fact]
    public async Task Deleting_a_virtual_host_takes_its_permissions_and_limits_along()
    {
        AccessControl control = Open();
        await control.PutUserAsync(new User("ada", null, [], default));
        foreach (string host in new[] { "/", "eu" })
        {
            await control.PutPermissionAsync(new Permission("ada", host, "", "", ""));
            await control.PutTopicPermissionAsync(new TopicPermission("ada", host, "t", "", ""));
            await control.PutVirtualHostLimitsAsync(host, new VirtualHostLimits(1, 1));
        }

        await control.DeleteVirtualHostAsync("eu");
        control = Open();
        Assert.Equal("/", Assert.Single(control.Permissions).VirtualHost);
        Assert.Equal("/", Assert.Single(control.TopicPermissions).VirtualHost);
        Assert.Equal("/", Assert.Single(control.VirtualHostLimits).Key);
    }

    [Fact]
    public async Task What_the_store_did_not_keep_did_not_happen()
    {
        AccessControl control = Open();
        await control.PutUserAsync(new User("ada", null, [], default));
        _store.Failure = new IOException("disk full");
        await Assert.ThrowsAsync<IOException>(async () => await control.PutUserAsync(new User("bob", null, [], default)));
        await Assert.ThrowsAsync<IOException>(async () => await control.DeleteUserAsync("ada"));
        Assert.Null(control.FindUser("bob"));
        Assert.NotNull(control.FindUser("ada"));
        _store.Failure = null;
        await control.PutUserAsync(new User("bob", null, [], default));
        Assert.NotNull(control.FindUser("bob"));
    }

    [Fact]
    public async Task The_stored_form_is_fixed()
    {
        AccessControl control = Open();
        await control.PutUserAsync(new User("ada", PasswordHash.Parse("rabbit-sha256$AQIDBA==$AAAA"), ["monitoring"], new UserLimits(3, null)));
        await control.PutPermissionAsync(new Permission("ada", "/", "c", "w", "r"));
        await control.PutTopicPermissionAsync(new TopicPermission("ada", "/", "t", "w", "r"));
        await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(5, 6));
        Assert.Equal(
            [
                """permission/%2F/ada {"v":1,"user":"ada","virtualHost":"/","configure":"c","write":"w","read":"r"}""",
                """topic/%2F/ada/t {"v":1,"user":"ada","virtualHost":"/","exchange":"t","write":"w","read":"r"}""",
                """user/ada {"v":1,"name":"ada","tags":["monitoring"],"password":"rabbit-sha256$AQIDBA==$AAAA","connectionsMax":3}""",
                """vhost-limits/%2F {"v":1,"virtualHost":"/","connectionsMax":5,"queuesMax":6}""",
            ],
            _store.Entries.Select(entry => $"{entry.Key} {Encoding.UTF8.GetString(entry.Value.Span)}"));
    }

    [Theory]
    [InlineData("user/ada", """{"v":2,"name":"ada","tags":[]}""")]
    [InlineData("user/ada", """{"v":1,"name":"ada"}""")]
    [InlineData("user/ada", "{")]
    [InlineData("user/ada", "null")]
    [InlineData("user/ada", """{"v":1,"name":"ada","tags":[],"password":"rot13$x"}""")]
    [InlineData("quota/ada", "{}")]
    public void An_entry_that_cannot_be_understood_stops_the_start_and_is_named(string key, string json)
    {
        _store.Entries[key] = Encoding.UTF8.GetBytes(json);
        InvalidDataException error = Assert.Throws<InvalidDataException>(Open);
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_are_counted_per_user_and_virtual_host()
    {
        AccessControl control = Open();
        await control.PutUserAsync(new User("ada", null, [], new UserLimits(2, 1)));
        await control.PutUserAsync(new User("bob", null, [], default));
        await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(3, 10));
        var limits = new UsageLimits(control);

        Assert.Null(limits.TryAddConnection("ada", "/"));
        Assert.Null(limits.TryAddConnection("ada", "/"));
        Assert.Contains("user connection limit (2)", limits.TryAddConnection("ada", "/"), StringComparison.Ordinal);
        Assert.Null(limits.TryAddConnection("bob", "/"));
        Assert.Contains("vhost connection limit (3)", limits.TryAddConnection("bob", "/"), StringComparison.Ordinal);
        Assert.Null(limits.TryAddConnection("bob", "eu"));
        limits.RemoveConnection("ada", "/");
        Assert.Null(limits.TryAddConnection("bob", "/"));

        Assert.Null(limits.TryAddChannel("ada"));
        Assert.Contains("(1)", limits.TryAddChannel("ada"), StringComparison.Ordinal);
        limits.RemoveChannels("ada", 1);
        Assert.Null(limits.TryAddChannel("ada"));

        Assert.Null(limits.RefuseQueue("/", 9));
        Assert.Contains("(10)", limits.RefuseQueue("/", 10), StringComparison.Ordinal);
        Assert.Null(limits.RefuseQueue("eu", 1_000_000));
        await control.PutVirtualHostLimitsAsync("/", default);
        Assert.Null(limits.RefuseQueue("/", 10));
        await control.PutVirtualHostLimitsAsync("/", new VirtualHostLimits(0, 0));
        Assert.NotNull(limits.RefuseQueue("/", 0));
    }
}
