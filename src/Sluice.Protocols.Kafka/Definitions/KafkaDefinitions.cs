using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>What Kafka's administration sets and others have no name for, for files of definitions. Topics are the broker's own, and credentials for SCRAM the users'.</summary>
public static class KafkaDefinitions
{
    /// <summary>What a server keeps.</summary>
    public static IReadOnlyList<KafkaSection> Of(KafkaServer server)
    {
        ArgumentNullException.ThrowIfNull(server);
        return Of(server.Acls, server.Quotas, server.Groups.Configs, server.Telemetry.Subscriptions, server.Logger);
    }

    /// <summary>What is kept where no server runs: without a listener for Kafka clients it is still part of what the broker keeps.</summary>
    /// <exception cref="InvalidDataException">An entry is of a newer version or damaged; the message names it.</exception>
    public static IReadOnlyList<KafkaSection> OfStore(IMetadataStore metadata, TimeProvider clock, ILogger logger) =>
        Of(new AclStore(metadata, logger), new ClientQuotas(metadata, clock), new GroupConfigs(metadata), new MetricsSubscriptions(metadata), logger);

    private static KafkaSection[] Of(AclStore acls, ClientQuotas quotas, GroupConfigs groups, MetricsSubscriptions metrics, ILogger logger) =>
    [
        new AclSection(acls, logger),
        new QuotaSection(quotas, logger),
        new NamedConfigSection<GroupSettings>("kafka_group_configs", groups, new GroupConfigRules(), logger),
        new NamedConfigSection<MetricsSubscription>("kafka_client_metrics", metrics, new MetricsConfigRules(), logger, MetricsSubscriptions.CountMax),
    ];
}
