using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Wire;

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

    public override async ValueTask ImportAsync(JsonElement entry, string by)
    {
        IReadOnlyDictionary<string, JsonElement> members = Members(entry, NameMember, Config);
        string name = Text(members, NameMember);
        IReadOnlyDictionary<string, JsonElement> given = Object(members, Config);
        Dictionary<string, string> config = given.Keys.ToDictionary(static key => key, key => Text(given, key), StringComparer.Ordinal);
        (KafkaErrorCode error, string? problem) = rules.Check(config);
        if (error != KafkaErrorCode.None || name.Length == 0)
        {
            throw new FormatException(name.Length == 0 ? rules.NameIsEmpty : problem);
        }

        if (configs.Find(name).Count == 0 && configs.Count >= countMax)
        {
            throw new FormatException($"There are {countMax} already, the most that may be.");
        }

        await configs.SetAsync(name, config).ConfigureAwait(false);
    }
}
