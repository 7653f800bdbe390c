using Sluice.Protocols.Kafka.Acls;

namespace Sluice.Protocols.Kafka.Tests.Acls;

/// <summary>What the access control list answers.</summary>
public sealed class AclTableTests
{
    private const string Ada = "User:ada", Here = "192.0.2.1";

    [Theory]
    [InlineData("Read", "Read", true)]
    [InlineData("Read", "Describe", true)]
    [InlineData("Write", "Describe", true)]
    [InlineData("Delete", "Describe", true)]
    [InlineData("Alter", "Describe", true)]
    [InlineData("AlterConfigs", "DescribeConfigs", true)]
    [InlineData("All", "AlterConfigs", true)]
    [InlineData("AlterConfigs", "Describe", false)]
    [InlineData("Create", "Describe", false)]
    [InlineData("Describe", "Read", false)]
    [InlineData("Alter", "DescribeConfigs", false)]
    public void What_an_operation_implies(string allowed, string asked, bool isAllowed)
    {
        AclTable table = Table(Entry("t", Enum.Parse<AclOperation>(allowed)));
        Assert.Equal(isAllowed ? AclVerdict.Allowed : AclVerdict.None, table.Judge(Ada, Here, Enum.Parse<AclOperation>(asked), AclResourceType.Topic, "t"));
    }

    [Fact]
    public void A_denial_implies_nothing_and_counts_most()
    {
        AclTable table = Table(Entry("t", AclOperation.Describe), Entry("t", AclOperation.Read, permission: AclPermission.Deny), Entry("*", AclOperation.Read));
        Assert.Equal(AclVerdict.Allowed, table.Judge(Ada, Here, AclOperation.Describe, AclResourceType.Topic, "t"));
        Assert.Equal(AclVerdict.Denied, table.Judge(Ada, Here, AclOperation.Read, AclResourceType.Topic, "t"));
        Assert.Equal(AclVerdict.Allowed, table.Judge(Ada, Here, AclOperation.Read, AclResourceType.Topic, "tt"));
    }

    [Theory]
    [InlineData("logs.", "Prefixed", "logs.app", true)]
    [InlineData("logs.", "Prefixed", "logs.", true)]
    [InlineData("logs.", "Prefixed", "logs", false)]
    [InlineData("logs.", "Literal", "logs.app", false)]
    [InlineData("*", "Literal", "anything", true)]
    [InlineData("*", "Prefixed", "anything", false)]
    [InlineData("*", "Prefixed", "*a", true)]
    public void Names(string name, string pattern, string resource, bool isAllowed)
    {
        AclTable table = Table(Entry(name, AclOperation.Read, Enum.Parse<AclPatternType>(pattern)), Entry("other.much.longer.prefix", AclOperation.All, AclPatternType.Prefixed));
        Assert.Equal(isAllowed ? AclVerdict.Allowed : AclVerdict.None, table.Judge(Ada, Here, AclOperation.Read, AclResourceType.Topic, resource));
        Assert.Equal(AclVerdict.None, table.Judge(Ada, Here, AclOperation.Read, AclResourceType.Group, resource));
        Assert.Equal(AclVerdict.None, table.Judge("User:bob", Here, AclOperation.Read, AclResourceType.Topic, resource));
    }

    [Fact]
    public void Some_topic_at_all()
    {
        Assert.False(Any(Entry("t", AclOperation.Read)));
        Assert.True(Any(Entry("t", AclOperation.Write)));
        Assert.True(Any(Entry("*", AclOperation.All)));
        Assert.False(Any(Entry("*", AclOperation.All), Entry("*", AclOperation.Write, permission: AclPermission.Deny)));
        Assert.False(Any(Entry("ab", AclOperation.Write), Entry("a", AclOperation.Write, AclPatternType.Prefixed, AclPermission.Deny)));
        Assert.True(Any(Entry("a", AclOperation.Write, AclPatternType.Prefixed), Entry("ab", AclOperation.Write, AclPatternType.Literal, AclPermission.Deny)));
        static bool Any(params Acl[] entries) => Table(entries).AllowsAny(Ada, Here, AclOperation.Write, AclResourceType.Topic);
    }

    [Fact]
    public void An_entry_is_its_key()
    {
        var acl = new Acl(AclResourceType.TransactionalId, AclPatternType.Prefixed, "a/b %ü*", "User:x/y", "::1", AclOperation.Write, AclPermission.Deny);
        Assert.Equal(acl, Acl.OfKey(acl.Key));
        Assert.Throws<InvalidDataException>(() => Acl.OfKey(Acl.AllKeys + "1/2"));
        Assert.Throws<InvalidDataException>(() => Acl.OfKey(acl.Key.Replace("/4/", "/x/", StringComparison.Ordinal)));
    }

    private static AclTable Table(params Acl[] entries) => new(entries);

    private static Acl Entry(string name, AclOperation operation, AclPatternType pattern = AclPatternType.Literal, AclPermission permission = AclPermission.Allow) =>
        new(AclResourceType.Topic, pattern, name, Ada, Acl.Wildcard, operation, permission);
}
