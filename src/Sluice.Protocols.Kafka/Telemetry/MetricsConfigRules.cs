using System.Collections.Frozen;
using System.Globalization;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>Configurations of subscriptions to clients' metrics.</summary>
internal sealed class MetricsConfigRules : NamedConfigRules
{
    public const sbyte Type = 16;

    public override sbyte ResourceType => Type;

    public override sbyte Source => 7;

    public override string Noun => "subscription to clients' metrics";

    public override FrozenDictionary<string, TopicConfigKey> Keys => MetricsConfigKey.All;

    public override string NameIsEmpty => "Subscription name can't be empty";

    public override bool TellsDefaults => false;

    public override KafkaErrorCode Authorize(KafkaRequest request, AclOperation operation, string name) =>
        request.AllowsCluster(operation) ? KafkaErrorCode.None : KafkaErrorCode.ClusterAuthorizationFailed;

    public override (KafkaErrorCode Error, string? Message) Check(Dictionary<string, string> config)
    {
        if (config.Keys.FirstOrDefault(name => !Keys.ContainsKey(name)) is { } unknown)
        {
            return (KafkaErrorCode.InvalidRequest, $"Unknown client metrics configuration: {unknown}");
        }

        foreach ((string name, string value) in config)
        {
            if (Keys[name].Problem(value) is { } problem)
            {
                return (KafkaErrorCode.InvalidConfig, $"Invalid value {value} for configuration {name}: {problem}");
            }

            config[name] = name == MetricsConfigKey.IntervalMs ? int.Parse(value.Trim(), CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture) : string.Join(',', MetricsConfigKey.List(value));
        }

        return config.TryGetValue(MetricsConfigKey.IntervalMs, out string? interval) && int.Parse(interval, CultureInfo.InvariantCulture) is < MetricsConfigKey.IntervalMinMs or > MetricsConfigKey.IntervalMaxMs
            ? (KafkaErrorCode.InvalidRequest, $"Invalid value {interval} for {MetricsConfigKey.IntervalMs}, interval must be between {MetricsConfigKey.IntervalMinMs} and {MetricsConfigKey.IntervalMaxMs} (1 hour)")
            : (KafkaErrorCode.None, null);
    }
}
