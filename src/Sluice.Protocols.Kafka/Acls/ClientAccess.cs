using System.Collections.Concurrent;
using Sluice.Broker.Topics;
using Sluice.Security;

namespace Sluice.Protocols.Kafka.Acls;

/// <summary>
/// What a client may do: the one place where Sluice's permissions and Kafka's access control list meet. Administrators may do everything. For others a denial in the list counts
/// most; what is not denied is allowed by a permission or by the list. Follows changes of both. What was asked before is remembered, so that nothing is allocated for it. Thread-safe.
/// </summary>
internal sealed class ClientAccess(AclStore acls, VirtualHostAccess permissions, string address)
{
    /// <summary>What the cluster is called where permissions are asked for.</summary>
    public const string ClusterName = "kafka-cluster";

    // A client that asks for ever new names gets a fresh memory now and then, never an endless one.
    private const int RememberedMax = 8192;

    private readonly string _principal = Acl.UserPrefix + permissions.User;
    private Memory _memory = new(AclTable.Empty);

    public string User => permissions.User;

    /// <summary>Names that it has in memory.</summary>
    internal int RememberedCount => _memory.Verdicts.Count;

    public bool Allows(AclOperation operation, AclResourceType type, string name)
    {
        if (permissions.IsAdministrator)
        {
            return true;
        }

        if (!permissions.HasUser)
        {
            // Entries outlive the user whom they name; what it had open does not profit from them.
            return false;
        }

        AclTable table = acls.Table;
        AclVerdict verdict = table.IsEmpty ? AclVerdict.None : Remembered(table, operation, type, name);
        return verdict == AclVerdict.Allowed || (verdict == AclVerdict.None && Permits(operation, type, name));
    }

    /// <summary>What refuses the client something that <see cref="Allows"/> has refused, in words.</summary>
    public string Reason(AclOperation operation, AclResourceType type, string name) =>
        !permissions.HasUser ? "the user is not there any more"
        : acls.Table.Judge(_principal, address, operation, type, name) == AclVerdict.Denied ? "an entry of the access list denies it"
        : "no permission and no entry of the access list allows it";

    /// <summary>The client's address.</summary>
    public string Address => address;

    /// <summary>Whether the client is an administrator.</summary>
    public bool IsAdministrator => permissions.IsAdministrator;

    /// <summary>
    /// Whether the client may change who can log in and what they may do: administrators, and whom an entry of the list lets alter the cluster. A permission by pattern is not enough,
    /// as those of ordinary users often match everything.
    /// </summary>
    public bool ManagesUsers => permissions.IsAdministrator || (permissions.HasUser && Remembered(acls.Table, AclOperation.Alter, AclResourceType.Cluster, ClusterName) == AclVerdict.Allowed);

    /// <summary>Whether the client may write to some topic at all.</summary>
    public bool WritesSomewhere() => permissions.IsAdministrator
        || (permissions.HasUser && acls.Table.AllowsAny(_principal, address, AclOperation.Write, AclResourceType.Topic))
        || (permissions.AllowsSome(Access.Write) && !acls.Table.DeniesAll(_principal, address, AclOperation.Write, AclResourceType.Topic));

    /// <summary>What the client may do with a resource, as a set of AclOperation codes.</summary>
    public int OperationsOn(AclResourceType type, string name)
    {
        int bits = 0;
        foreach (AclOperation operation in SupportedBy(type))
        {
            bits |= Allows(operation, type, name) ? 1 << (int)operation : 0;
        }

        return bits;
    }

    private static ReadOnlySpan<AclOperation> SupportedBy(AclResourceType type) => type switch
    {
        AclResourceType.Topic =>
        [
            AclOperation.Read, AclOperation.Write, AclOperation.Create, AclOperation.Delete, AclOperation.Alter, AclOperation.Describe, AclOperation.DescribeConfigs, AclOperation.AlterConfigs,
        ],
        AclResourceType.Group => [AclOperation.Read, AclOperation.Delete, AclOperation.Describe, AclOperation.DescribeConfigs, AclOperation.AlterConfigs],
        AclResourceType.Cluster =>
        [
            AclOperation.Create, AclOperation.Alter, AclOperation.Describe, AclOperation.ClusterAction, AclOperation.DescribeConfigs, AclOperation.AlterConfigs, AclOperation.IdempotentWrite,
        ],
        _ => [],
    };

    /// <summary>What Sluice's permissions say. Those to the cluster's name are not to its topics: these have their own names.</summary>
    private bool Permits(AclOperation operation, AclResourceType type, string name) => type == AclResourceType.Cluster
        ? operation is not (AclOperation.Create or AclOperation.Delete) && permissions.Allows(Access.Configure, name)
        : operation switch
        {
            AclOperation.Read => permissions.Allows(Access.Read, name),
            AclOperation.Write => permissions.Allows(Access.Write, name),
            AclOperation.Describe or AclOperation.DescribeConfigs => permissions.Allows(Access.Read, name) || permissions.Allows(Access.Write, name) || permissions.Allows(Access.Configure, name),
            AclOperation.Create or AclOperation.Delete or AclOperation.Alter or AclOperation.AlterConfigs => permissions.Allows(Access.Configure, name),
            _ => false,
        };

    private AclVerdict Remembered(AclTable table, AclOperation operation, AclResourceType type, string name)
    {
        if (name.Length > TopicDefinition.NameLengthMax)
        {
            // Nobody has much use for such a name; many of them would take much memory.
            return table.Judge(_principal, address, operation, type, name);
        }

        Memory memory = _memory;
        if (!ReferenceEquals(memory.Table, table) || memory.IsFull)
        {
            _memory = memory = new Memory(table);
        }

        return memory.Verdicts.TryGetValue((operation, type, name), out AclVerdict verdict) ? verdict : memory.Add(operation, type, name, table.Judge(_principal, address, operation, type, name));
    }

    /// <summary>What a table has said.</summary>
    private sealed class Memory(AclTable table)
    {
        private int _count;

        public AclTable Table => table;

        public bool IsFull => Volatile.Read(ref _count) >= RememberedMax;

        public ConcurrentDictionary<(AclOperation Operation, AclResourceType Type, string Name), AclVerdict> Verdicts { get; } = new(concurrencyLevel: 1, capacity: 7);

        public AclVerdict Add(AclOperation operation, AclResourceType type, string name, AclVerdict verdict)
        {
            if (Verdicts.TryAdd((operation, type, name), verdict))
            {
                Interlocked.Increment(ref _count);
            }

            return verdict;
        }
    }
}
