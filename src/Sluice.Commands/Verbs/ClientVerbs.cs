using System.CommandLine;

namespace Sluice.Commands.Verbs;

/// <summary>All verbs but the one that serves.</summary>
public static class ClientVerbs
{
    public static IReadOnlyList<Command> Create() =>
    [
        StatusVerb.Create(),
        QueueVerbs.Create(),
        TopicVerbs.Create(),
        GroupVerbs.Create(),
        AclVerbs.Create(),
        ExchangeVerbs.Create(),
        BindingVerbs.Create(),
        UserVerbs.Create(),
        VirtualHostVerbs.Create(),
        PolicyVerbs.Create(),
        ConnectionVerbs.Create(),
        DefinitionsVerbs.Create(),
        PublishVerb.Create(),
        ConsumeVerb.Create(),
        PurgeVerb.Create(),
        VerifyVerb.Create(),
        BenchVerb.Create(),
    ];
}
