using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Handlers;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>Quotas of users, client ids and addresses. A name of null stands for the default, as in Kafka's protocol.</summary>
internal sealed class QuotaSection(ClientQuotas quotas, ILogger logger) : KafkaSection("kafka_quotas", logger)
{
    private const string Entity = "entity", Values = "quotas";

    public override IEnumerable<JsonObject> Export() => quotas.All.OrderBy(static quota => quota.Key.Key, StringComparer.Ordinal).Select(static quota => new JsonObject
    {
        [Entity] = new JsonObject(quota.Key.Parts.Select(static part => KeyValuePair.Create(part.Type, (JsonNode?)part.Name))),
        [Values] = new JsonObject(quota.Value.OrderBy(static value => value.Key, StringComparer.Ordinal).Select(static value => KeyValuePair.Create(value.Key, (JsonNode?)value.Value))),
    });

    public override async ValueTask<IReadOnlyList<PutOutcome>> ImportAsync(IReadOnlyList<JsonElement> entries, string by)
    {
        QuotaChange[] wanted = ReadAll(entries, Read);
        IReadOnlyList<PutOutcome> outcomes = await quotas.AlterAsync(wanted).ConfigureAwait(false);
        LogChanges(by, outcomes, index => wanted[index].Words);
        return outcomes;
    }

    private static QuotaChange Read(JsonElement entry)
    {
        IReadOnlyDictionary<string, JsonElement> members = Members(entry, Entity, Values);
        var wanted = new AlterClientQuotasRequest.EntryData
        {
            Entity = [.. Object(members, Entity).Select(static part => new AlterClientQuotasRequest.EntityData { EntityType = part.Key, EntityName = NameIn(part.Key, part.Value) })],
            Ops = [.. Object(members, Values).Select(static value => new AlterClientQuotasRequest.OpData { Key = value.Key, Value = NumberIn(value.Key, value.Value) })],
        };
        return QuotaHandler.Problem(wanted) is { } problem ? throw new FormatException(problem) : QuotaHandler.ChangeOf(wanted);
    }

    private static string? NameIn(string type, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        _ => throw new FormatException($"'{type}' must be a name, or null for the default"),
    };

    private static double NumberIn(string quota, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number : throw new FormatException($"'{quota}' must be a number");
}
