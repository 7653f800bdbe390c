using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Security;

namespace Sluice.Protocols.Kafka.Tests.Acls;

/// <summary>What a connection remembers of the access control list.</summary>
public sealed class ClientAccessTests
{
    [Fact]
    public void Names_that_no_topic_can_have_are_judged_and_not_remembered()
    {
        using var fixture = new GroupFixture();
        var control = new AccessControl(new AnyStore(), NullLogger<AccessControl>.Instance);
        fixture.Run(control.PutUserAsync(new User("ada", null, [], default)).AsTask());
        var acls = new AclStore(fixture.Store.Metadata, NullLogger.Instance);
        fixture.Run(acls.AddAsync([new Acl(AclResourceType.Group, AclPatternType.Prefixed, "g", "User:ada", Acl.Wildcard, AclOperation.Read, AclPermission.Allow)], "root").AsTask());
        var access = new ClientAccess(acls, control.AccessOf("ada", "/"), "127.0.0.1");
        Assert.True(access.Allows(AclOperation.Read, AclResourceType.Group, new string('g', 249)));
        Assert.Equal(1, access.RememberedCount);
        Assert.True(access.Allows(AclOperation.Read, AclResourceType.Group, new string('g', 250)));
        Assert.False(access.Allows(AclOperation.Read, AclResourceType.Group, new string('h', 30_000)));
        Assert.Equal(1, access.RememberedCount);
    }

    private sealed class AnyStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }
}
