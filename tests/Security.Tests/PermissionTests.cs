using Microsoft.Extensions.Logging.Abstractions;

namespace Sluice.Security.Tests;

public sealed class PermissionTests
{
    private readonly MemorySecurityStore _store = new();

    private async Task<AccessControl> WithUserAsync(string configure = ".*", string write = ".*", string read = ".*")
    {
        var control = new AccessControl(_store, NullLogger<AccessControl>.Instance);
        await control.PutUserAsync(new User("ada", null, [], default));
        await control.PutPermissionAsync(new Permission("ada", "/", configure, write, read));
        return control;
    }

    [Theory]
    [InlineData(".*", "anything", true)]
    [InlineData("", "anything", false)]
    [InlineData("^$", "anything", false)]
    [InlineData("^orders\\.", "orders.new", true)]
    [InlineData("^orders\\.", "reorders.new", false)]
    [InlineData("orders", "reorders.new", true)]
    [InlineData("^(?!secret).*$", "open", true)]
    [InlineData("^(?!secret).*$", "secret.plans", false)]
    [InlineData("^(amq\\.gen.*|amq\\.default)$", "", true)]
    [InlineData("^amq\\.gen", "", false)]
    public async Task Patterns_match_as_in_RabbitMQ(string pattern, string resource, bool expected)
    {
        AccessControl control = await WithUserAsync(write: pattern);
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Assert.Equal(expected, access.Allows(Access.Write, resource));
        Assert.Equal(expected, access.Allows(Access.Write, resource));
    }

    [Fact]
    public async Task The_three_permissions_are_apart()
    {
        AccessControl control = await WithUserAsync("^c$", "^w$", "^r$");
        VirtualHostAccess access = control.Enter("ada", "/")!;
        foreach ((Access asked, string name) in new[] { (Access.Configure, "c"), (Access.Write, "w"), (Access.Read, "r") })
        {
            foreach (string other in new[] { "c", "w", "r" })
            {
                Assert.Equal(other == name, access.Allows(asked, other));
            }
        }
    }

    [Fact]
    public async Task Without_a_permission_the_virtual_host_stays_closed()
    {
        AccessControl control = await WithUserAsync();
        Assert.Null(control.Enter("ada", "other"));
        Assert.Null(control.Enter("nobody", "/"));
    }

    [Fact]
    public async Task A_change_is_seen_at_the_next_check_also_of_names_remembered()
    {
        AccessControl control = await WithUserAsync(write: "^a");
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Assert.True(access.Allows(Access.Write, "apple"));
        await control.PutPermissionAsync(new Permission("ada", "/", ".*", "^b", ".*"));
        Assert.False(access.Allows(Access.Write, "apple"));
        Assert.True(access.Allows(Access.Write, "banana"));
        Assert.True(await control.DeletePermissionAsync("ada", "/"));
        Assert.False(access.Allows(Access.Write, "banana"));
        Assert.False(await control.DeletePermissionAsync("ada", "/"));
        await control.PutPermissionAsync(new Permission("ada", "/", ".*", "^b", ".*"));
        Assert.True(access.Allows(Access.Write, "banana"));
        await control.DeleteUserAsync("ada");
        Assert.False(access.Allows(Access.Write, "banana"));
    }

    [Fact]
    public async Task A_check_of_a_name_seen_before_allocates_nothing()
    {
        AccessControl control = await WithUserAsync(write: "^orders\\.(new|old)$");
        await control.PutTopicPermissionAsync(new TopicPermission("ada", "/", "amq.topic", "^a\\.", ".*"));
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Check();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Check();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Check()
        {
            Assert.True(access.Allows(Access.Write, "orders.new") && !access.Allows(Access.Write, "x") && access.AllowsTopic(Access.Write, "amq.topic", "a.b"));
        }
    }

    [Fact]
    public async Task A_pattern_that_backtracks_without_end_is_cut_and_refuses()
    {
        AccessControl control = await WithUserAsync(write: "^(a+)+(?=b)$");
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Assert.False(access.Allows(Access.Write, new string('a', 60) + "c"));
    }

    [Theory]
    [InlineData("(", ".*", ".*")]
    [InlineData(".*", "[", ".*")]
    [InlineData(".*", ".*", "*")]
    public async Task What_is_no_pattern_is_refused(string configure, string write, string read)
    {
        AccessControl control = await WithUserAsync();
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await control.PutPermissionAsync(new Permission("ada", "/", configure, write, read)));
        Assert.Equal(".*", control.FindPermission("ada", "/")!.Write);
    }

    [Fact]
    public async Task Permissions_need_a_user()
    {
        AccessControl control = await WithUserAsync();
        var error = await Assert.ThrowsAsync<ArgumentException>(async () => await control.PutPermissionAsync(new Permission("bob", "/", "", "", "")));
        Assert.Contains("bob", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Topic_permissions_restrict_only_their_exchange()
    {
        AccessControl control = await WithUserAsync();
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Assert.True(access.AllowsTopic(Access.Write, "amq.topic", "x"));
        await control.PutTopicPermissionAsync(new TopicPermission("ada", "/", "amq.topic", "^a", "^b"));
        Assert.False(access.AllowsTopic(Access.Write, "amq.topic", "b"));
        Assert.True(access.AllowsTopic(Access.Write, "amq.topic", "a"));
        Assert.True(access.AllowsTopic(Access.Read, "amq.topic", "b"));
        Assert.True(access.AllowsTopic(Access.Write, "other", "b"));
        Assert.True(await control.DeleteTopicPermissionsAsync("ada", "/", "amq.topic"));
        Assert.True(access.AllowsTopic(Access.Write, "amq.topic", "b"));
        Assert.True(access.Allows(Access.Write, "still there"));
    }

    [Theory]
    [InlineData("ada", "^{username}\\..*", "ada.x", true)]
    [InlineData("ada", "^{username}\\..*", "bob.x", false)]
    [InlineData(".*", "^{username}\\..*", "bob.x", false)]
    [InlineData("ada", "^{vhost}/{username}$", "eu.1/ada", true)]
    [InlineData("ada", "^{vhost}/{username}$", "euX1/ada", false)]
    public async Task Topic_patterns_name_the_user_and_the_virtual_host_literally(string user, string pattern, string key, bool expected)
    {
        var control = new AccessControl(_store, NullLogger<AccessControl>.Instance);
        await control.PutUserAsync(new User(user, null, [], default));
        await control.PutPermissionAsync(new Permission(user, "eu.1", "", "", ""));
        await control.PutTopicPermissionAsync(new TopicPermission(user, "eu.1", "t", pattern, ""));
        Assert.Equal(expected, control.Enter(user, "eu.1")!.AllowsTopic(Access.Write, "t", key));
    }
}
