using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>Configurations that are kept by name, whether what they are for is there or not.</summary>
internal sealed class NamedConfigSection<T>(string section, NamedConfigs<T> configs, NamedConfigRules rules, ILogger logger, int countMax = int.MaxValue) : KafkaSection(section, logger)
    where T : class
{
    private const string NameMember = "name", Config = "config";

    public override IEnumerable<JsonObject> Export() => configs.Names.Order(StringComparer.Ordinal).Select(name => new JsonObject
    {
        [NameMember] = name,
        [Config] = new JsonObject(configs.Find(name).OrderBy(static setting => setting.Key, StringComparer.Ordinal).Select(static setting => KeyValuePair.Create(setting.Key, (JsonNode?)setting.Value))),
    });

    public override async ValueTask<IReadOnlyList<PutOutcome>> ImportAsync(IReadOnlyList<JsonElement> entries, string by)
    {
        (string Name, IReadOnlyDictionary<string, string> Config)[] wanted = ReadAll(entries, Read);
        (IReadOnlyList<PutOutcome> outcomes, int? beyond) = await configs.SetAsync(wanted, countMax).ConfigureAwait(false);
        if (beyond is { } index)
        {
            throw In(entries, index, $"There can be {countMax} at most, and there is no room for this one.");
        }

        LogChanges(by, outcomes, index => rules.Words(wanted[index].Name, wanted[index].Config));
        return outcomes;
    }

    private (string Name, IReadOnlyDictionary<string, string> Config) Read(JsonElement entry)
    {
        IReadOnlyDictionary<string, JsonElement> members = Members(entry, NameMember, Config);
        string name = Text(members, NameMember);
        IReadOnlyDictionary<string, JsonElement> given = Object(members, Config);
        Dictionary<string, string> config = given.Keys.ToDictionary(static key => key, key => Text(given, key), StringComparer.Ordinal);
        (KafkaErrorCode error, string? problem) = rules.Check(config);
        return error != KafkaErrorCode.None || name.Length == 0 ? throw new FormatException(name.Length == 0 ? rules.NameIsEmpty : problem) : (name, config);
    }
}
