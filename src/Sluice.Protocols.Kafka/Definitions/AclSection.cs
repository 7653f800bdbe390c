using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Acls;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>Entries of the access control list.</summary>
internal sealed class AclSection(AclStore acls, ILogger logger) : KafkaSection("kafka_acls", logger)
{
    private const string Type = "resource_type", Pattern = "pattern_type", ResourceName = "resource_name", Principal = "principal", Host = "host", Operation = "operation", Permission = "permission";

    public override IEnumerable<JsonObject> Export() => acls.Table.All.OrderBy(static acl => acl.Key, StringComparer.Ordinal).Select(static acl => new JsonObject
    {
        [Principal] = acl.Principal,
        [Host] = acl.Host,
        [Permission] = NameOf(acl.Permission),
        [Operation] = NameOf(acl.Operation),
        [Type] = NameOf(acl.Type),
        [Pattern] = NameOf(acl.Pattern),
        [ResourceName] = acl.Name,
    });

    public override async ValueTask<IReadOnlyList<PutOutcome>> ImportAsync(IReadOnlyList<JsonElement> entries, string by)
    {
        Acl[] wanted = ReadAll(entries, Read);
        return await acls.AddAsync(wanted, by).ConfigureAwait(false) is { } added
            ? [.. Enumerable.Repeat(PutOutcome.Created, added), .. Enumerable.Repeat(PutOutcome.Unchanged, wanted.Length - added)]
            : throw new FormatException($"{Name}: {AclRules.TooMany}");
    }

    private static Acl Read(JsonElement entry)
    {
        IReadOnlyDictionary<string, JsonElement> members = Members(entry, Principal, Host, Permission, Operation, Type, Pattern, ResourceName);
        var acl = new Acl(
            Value<AclResourceType>(members, Type), Value<AclPatternType>(members, Pattern), Text(members, ResourceName), Text(members, Principal), Text(members, Host), Value<AclOperation>(members, Operation), Value<AclPermission>(members, Permission));
        return AclRules.Problem(acl) is { } problem ? throw new FormatException(problem) : acl;
    }

    private static string NameOf<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static T Value<T>(IReadOnlyDictionary<string, JsonElement> members, string name)
        where T : struct, Enum
    {
        string text = Text(members, name);
        foreach (T value in Enum.GetValues<T>())
        {
            if (NameOf(value) == text)
            {
                return value;
            }
        }

        throw new FormatException($"'{name}' is '{text}', which is none");
    }
}
