using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Security;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>Configurations that are kept by name, whether what they are for is there or not.</summary>
internal sealed class NamedConfigSection<T>(string section, NamedConfigs<T> configs, NamedConfigRules rules, int countMax = int.MaxValue) : KafkaSection(section)
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
        List<PutOutcome> outcomes = [];
        foreach ((string name, Dictionary<string, string> config) in ReadAll(entries, Read))
        {
            outcomes.Add(await ImportAsync(name, config).ConfigureAwait(false) ?? throw In(entries, outcomes.Count, $"There are {countMax} already, the most that may be."));
        }

        return outcomes;
    }

    private (string Name, Dictionary<string, string> Config) Read(JsonElement entry)
    {
        IReadOnlyDictionary<string, JsonElement> members = Members(entry, NameMember, Config);
        string name = Text(members, NameMember);
        IReadOnlyDictionary<string, JsonElement> given = Object(members, Config);
        Dictionary<string, string> config = given.Keys.ToDictionary(static key => key, key => Text(given, key), StringComparer.Ordinal);
        (KafkaErrorCode error, string? problem) = rules.Check(config);
        return error != KafkaErrorCode.None || name.Length == 0 ? throw new FormatException(name.Length == 0 ? rules.NameIsEmpty : problem) : (name, config);
    }

    /// <summary>Null: there are too many.</summary>
    private async Task<PutOutcome?> ImportAsync(string name, Dictionary<string, string> config)
    {
        while (true)
        {
            (IReadOnlyDictionary<string, string> before, long revision) = configs.Read(name);
            if (before.Count == config.Count && before.All(config.Contains))
            {
                return PutOutcome.Unchanged;
            }

            if (before.Count == 0 && configs.Count >= countMax)
            {
                return null;
            }

            // As changes by Kafka's protocol: what somebody else has set meanwhile is seen before it is replaced.
            if (await configs.SetAsync(name, config, revision).ConfigureAwait(false))
            {
                return before.Count == 0 ? PutOutcome.Created : PutOutcome.Changed;
            }
        }
    }
}
