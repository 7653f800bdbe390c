using System.Globalization;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>What is set in Sluice's own configuration, and what topics have where nothing is set, as far as Kafka has a name for it. It is there to be read only.</summary>
internal static class BrokerConfigs
{
    private const sbyte FromStart = 4, FromDefault = 5;

    /// <summary>Where topics' settings have another name for brokers.</summary>
    private static readonly (string Name, string Topic)[] s_topicDefaults =
    [
        ("compression.type", TopicConfig.CompressionType), ("log.cleanup.policy", TopicConfig.CleanupPolicy), ("log.message.timestamp.type", TopicConfig.TimestampType), ("log.retention.bytes", TopicConfig.RetentionBytes),
        ("log.retention.ms", TopicConfig.RetentionMs), ("log.segment.bytes", TopicConfig.SegmentBytes), ("message.max.bytes", TopicConfig.MaxMessageBytes), ("min.insync.replicas", TopicConfig.MinInSyncReplicas),
    ];

    /// <summary>The settings that the request asks for, by name.</summary>
    public static DescribeConfigsResponse.DescribeConfigsResourceResult[] Describe(KafkaRequest request, string[]? keys, bool withSynonyms) =>
    [
        .. Set(request).Select(setting => Describe(setting.Name, setting.Value, setting.Type, FromStart, withSynonyms))
            .Concat(s_topicDefaults.Select(pair => Describe(pair.Name, TopicConfig.Keys[pair.Topic].Default, TopicConfig.Keys[pair.Topic].Type, FromDefault, withSynonyms)))
            .Where(setting => keys is null or [] || keys.Contains(setting.Name, StringComparer.Ordinal))
            .OrderBy(static setting => setting.Name, StringComparer.Ordinal),
    ];

    private static DescribeConfigsResponse.DescribeConfigsResourceResult Describe(string name, string value, TopicConfigType type, sbyte source, bool withSynonyms) => new()
    {
        Name = name,
        Value = value,
        ReadOnly = true,
        ConfigSource = source,
        ConfigType = ConfigsHandler.TypeOf(type),
        Synonyms = withSynonyms ? [new DescribeConfigsResponse.DescribeConfigsSynonym { Name = name, Value = value, Source = source }] : [],
        Documentation = null,
    };

    private static IEnumerable<(string Name, string Value, TopicConfigType Type)> Set(KafkaRequest request)
    {
        KafkaServer server = request.Server;
        KafkaOptions options = server.Options;
        (string host, int port) = request.Connection.Advertised;
        return
        [
            ("advertised.listeners", $"{(request.Connection.Client.Tls is null ? "PLAINTEXT" : "SSL")}://{host}:{port}", TopicConfigType.List),
            ("auto.create.topics.enable", options.AutoCreateTopics ? "true" : "false", TopicConfigType.Boolean),
            Number("broker.id", options.NodeId),
            Number("connections.max.reauth.ms", options.ReauthenticationMaxMs, TopicConfigType.Long),
            Number("default.replication.factor", 1),
            ("delete.topic.enable", "true", TopicConfigType.Boolean),
            ("group.consumer.migration.policy", options.Groups.MigrationPolicy.ToString().ToLowerInvariant(), TopicConfigType.Text),
            Number("group.initial.rebalance.delay.ms", options.Groups.InitialRebalanceDelayMs),
            Number("group.max.session.timeout.ms", options.Groups.SessionTimeoutMaxMs),
            Number("group.max.size", options.Groups.MembersMax),
            Number("group.min.session.timeout.ms", options.Groups.SessionTimeoutMinMs),
            Number("group.share.max.share.sessions", options.Shares.SessionsMax),
            Number("group.share.max.size", options.Groups.ShareMembersMax),
            Number("max.incremental.fetch.session.cache.slots", options.FetchSessionsMax),
            Number("node.id", options.NodeId),
            Number("num.partitions", options.DefaultPartitions),
            Number("offset.metadata.max.bytes", options.Groups.OffsetMetadataMax),
            Number("offsets.retention.minutes", options.Groups.OffsetsRetentionMs / 60_000),
            Number("offsets.topic.num.partitions", options.Groups.OffsetsTopicPartitions),
            Number("offsets.topic.replication.factor", 1),
            Number("producer.id.expiration.ms", options.Transactions.ProducerIdExpirationMs),
            ("sasl.enabled.mechanisms", string.Join(',', server.Authenticator.ExchangeMechanisms), TopicConfigType.List),
            Number("share.coordinator.state.topic.num.partitions", options.Shares.StateTopicPartitions),
            Number("share.coordinator.state.topic.replication.factor", 1),
            Number("socket.request.max.bytes", options.RequestBytesMax),
            Number("telemetry.max.bytes", options.Telemetry.PushBytesMax),
            Number("transaction.max.timeout.ms", options.Transactions.TimeoutMaxMs),
            Number("transaction.state.log.num.partitions", options.Transactions.StateTopicPartitions),
            Number("transaction.state.log.replication.factor", 1),
            Number("transactional.id.expiration.ms", options.Transactions.TransactionalIdExpirationMs),
        ];
    }

    private static (string Name, string Value, TopicConfigType Type) Number(string name, long value, TopicConfigType type = TopicConfigType.Int) => (name, value.ToString(CultureInfo.InvariantCulture), type);
}
