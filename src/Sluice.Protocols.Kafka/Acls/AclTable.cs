namespace Sluice.Protocols.Kafka.Acls;

/// <summary>The access control list at one moment, ready to be asked. Immutable.</summary>
internal sealed class AclTable
{
    private readonly Dictionary<AclResourceType, Section> _sections;

    public AclTable(IReadOnlyCollection<Acl> all)
    {
        All = all;
        _sections = all.GroupBy(static acl => acl.Type).ToDictionary(static group => group.Key, static group => new Section(group));
    }

    public static AclTable Empty { get; } = new([]);

    public IReadOnlyCollection<Acl> All { get; }

    public bool IsEmpty => All.Count == 0;

    /// <summary>What the list says: a denial counts more than any number of permissions.</summary>
    public AclVerdict Judge(string principal, string host, AclOperation operation, AclResourceType type, string name)
    {
        if (!_sections.TryGetValue(type, out Section? section))
        {
            return AclVerdict.None;
        }

        var asked = new Question(principal, host, operation);
        AclVerdict verdict = asked.Judge(section.Literal.GetValueOrDefault(name));
        if (name != Acl.Wildcard)
        {
            verdict = More(verdict, asked.Judge(section.Literal.GetValueOrDefault(Acl.Wildcard)));
        }

        foreach (int length in section.PrefixLengths)
        {
            if (length > name.Length || verdict == AclVerdict.Denied)
            {
                break;
            }

            if (section.PrefixedBySpan.TryGetValue(name.AsSpan(0, length), out Acl[]? entries))
            {
                verdict = More(verdict, asked.Judge(entries));
            }
        }

        return verdict;
    }

    /// <summary>Whether the list allows the operation on at least one resource of the kind, and does not deny it on all.</summary>
    public bool AllowsAny(string principal, string host, AclOperation operation, AclResourceType type) =>
        !DeniesAll(principal, host, operation, type)
        && All.Any(acl => acl.Type == type && new Question(principal, host, operation).Judge([acl]) == AclVerdict.Allowed
            && (acl.Name == Acl.Wildcard || Judge(principal, host, operation, type, acl.Name) == AclVerdict.Allowed));

    /// <summary>Whether the list denies the operation on everything of the kind.</summary>
    public bool DeniesAll(string principal, string host, AclOperation operation, AclResourceType type) =>
        _sections.TryGetValue(type, out Section? section) && new Question(principal, host, operation).Judge(section.Literal.GetValueOrDefault(Acl.Wildcard)) == AclVerdict.Denied;

    private static AclVerdict More(AclVerdict one, AclVerdict other) => one > other ? one : other;

    /// <summary>Entries for one kind of resource, by name.</summary>
    private sealed class Section
    {
        private readonly Dictionary<string, Acl[]> _prefixed;

        public Section(IEnumerable<Acl> entries)
        {
            ILookup<AclPatternType, Acl> byPattern = entries.ToLookup(static acl => acl.Pattern);
            Literal = ByName(byPattern[AclPatternType.Literal]);
            _prefixed = ByName(byPattern[AclPatternType.Prefixed]);
            PrefixLengths = [.. _prefixed.Keys.Select(static name => name.Length).Distinct().Order()];
        }

        public Dictionary<string, Acl[]> Literal { get; }

        public Dictionary<string, Acl[]>.AlternateLookup<ReadOnlySpan<char>> PrefixedBySpan => _prefixed.GetAlternateLookup<ReadOnlySpan<char>>();

        public int[] PrefixLengths { get; }

        private static Dictionary<string, Acl[]> ByName(IEnumerable<Acl> entries) =>
            entries.GroupBy(static acl => acl.Name, StringComparer.Ordinal).ToDictionary(static group => group.Key, static group => group.ToArray(), StringComparer.Ordinal);
    }

    /// <summary>A request without its resource.</summary>
    private readonly record struct Question(string Principal, string Host, AclOperation Operation)
    {
        public AclVerdict Judge(Acl[]? entries)
        {
            AclVerdict verdict = AclVerdict.None;
            foreach (Acl acl in entries ?? [])
            {
                if ((acl.Principal == Principal || acl.Principal == Acl.AllUsers) && (acl.Host == Host || acl.Host == Acl.Wildcard))
                {
                    bool isSame = acl.Operation == Operation || acl.Operation == AclOperation.All;
                    if (acl.Permission == AclPermission.Deny && isSame)
                    {
                        return AclVerdict.Denied;
                    }

                    if (acl.Permission == AclPermission.Allow && (isSame || Implies(acl.Operation, Operation)))
                    {
                        verdict = AclVerdict.Allowed;
                    }
                }
            }

            return verdict;
        }

        private static bool Implies(AclOperation allowed, AclOperation asked) => asked switch
        {
            AclOperation.Describe => allowed is AclOperation.Read or AclOperation.Write or AclOperation.Delete or AclOperation.Alter,
            AclOperation.DescribeConfigs => allowed is AclOperation.AlterConfigs,
            _ => false,
        };
    }
}
