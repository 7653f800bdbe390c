using System.Globalization;
using Sluice.Base.Changes;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: of topics, groups and subscriptions to clients' metrics; the broker's own can be read, they are set in Sluice's configuration.</summary>
internal sealed class ConfigsHandler(KafkaServer server)
{
    private const sbyte TopicResource = 2, BrokerResource = 4, BrokerLoggerResource = 8, MetricsResource = MetricsConfigRules.Type, GroupResource = GroupConfigRules.Type;
    private const sbyte FromTopic = 1, FromDefault = 5;
    private const sbyte Set = 0, Delete = 1, Append = 2, Subtract = 3;
    private const string LoggersMessage = "The broker's log has one level for all (setting Log:Level), none for each logger.";
    private const string RepeatedMessage = "The request names the resource more than once.";

    private readonly NamedConfigsHandler<GroupSettings> _groups = new(server.Groups.Configs, new GroupConfigRules());
    private readonly NamedConfigsHandler<MetricsSubscription> _metrics = new(server.Telemetry.Subscriptions, new MetricsConfigRules(), MetricsSubscriptions.CountMax);

    public DescribeConfigsResponse Handle(KafkaRequest request, DescribeConfigsRequest body) => new()
    {
        Results = [.. body.Resources.Select(resource => Describe(request, resource, body.IncludeSynonyms))],
    };

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, IncrementalAlterConfigsRequest body)
    {
        var responses = new List<IncrementalAlterConfigsResponse.AlterConfigsResourceResponse>();
        HashSet<(sbyte, string)> repeated = Repeated(body.Resources.Select(static resource => (resource.ResourceType, resource.ResourceName)));
        foreach (IncrementalAlterConfigsRequest.AlterConfigsResource resource in body.Resources)
        {
            string? problem = repeated.Contains((resource.ResourceType, resource.ResourceName)) ? RepeatedMessage : Problem(resource.Configs);
            (KafkaErrorCode error, string? message) = problem is not null ? (KafkaErrorCode.InvalidRequest, problem) : await AlterAsync(request, resource.ResourceType, resource.ResourceName, body.ValidateOnly, current => Change(current, resource.Configs)).ConfigureAwait(false);
            responses.Add(new IncrementalAlterConfigsResponse.AlterConfigsResourceResponse { ErrorCode = error, ErrorMessage = message, ResourceType = resource.ResourceType, ResourceName = resource.ResourceName });
        }

        return new IncrementalAlterConfigsResponse { Responses = [.. responses] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AlterConfigsRequest body)
    {
        var responses = new List<AlterConfigsResponse.AlterConfigsResourceResponse>();
        HashSet<(sbyte, string)> repeated = Repeated(body.Resources.Select(static resource => (resource.ResourceType, resource.ResourceName)));
        foreach (AlterConfigsRequest.AlterConfigsResource resource in body.Resources)
        {
            string? empty = resource.Configs.FirstOrDefault(static setting => setting.Value is null)?.Name;
            (KafkaErrorCode error, string? message) = empty is not null ? (KafkaErrorCode.InvalidRequest, $"Null value not supported for {empty}")
                : repeated.Contains((resource.ResourceType, resource.ResourceName)) ? (KafkaErrorCode.InvalidRequest, RepeatedMessage)
                : await AlterAsync(request, resource.ResourceType, resource.ResourceName, body.ValidateOnly, _ => resource.Configs.DistinctBy(static setting => setting.Name).ToDictionary(static setting => setting.Name, static setting => setting.Value!, StringComparer.Ordinal)).ConfigureAwait(false);
            responses.Add(new AlterConfigsResponse.AlterConfigsResourceResponse { ErrorCode = error, ErrorMessage = message, ResourceType = resource.ResourceType, ResourceName = resource.ResourceName });
        }

        return new AlterConfigsResponse { Responses = [.. responses] };
    }

    /// <summary>What can have a configuration; of groups and subscriptions to metrics those that have one. Version 0 asks for the latter alone.</summary>
    public ListConfigResourcesResponse Handle(KafkaRequest request, ListConfigResourcesRequest body)
    {
        if (!request.AllowsCluster(AclOperation.DescribeConfigs))
        {
            return new ListConfigResourcesResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed };
        }

        if (Array.Exists(body.ResourceTypes, static type => type is not (TopicResource or BrokerResource or BrokerLoggerResource or MetricsResource or GroupResource)))
        {
            return new ListConfigResourcesResponse { ErrorCode = KafkaErrorCode.UnsupportedVersion };
        }

        bool Wants(sbyte type) => request.Version == 0 ? type == MetricsResource : body.ResourceTypes.Length == 0 || body.ResourceTypes.Contains(type);
        IEnumerable<string> topics = Wants(TopicResource) ? server.Host?.ListTopics(withQueues: true).Select(static topic => topic.Name) ?? [] : [];
        IEnumerable<string> brokers = Wants(BrokerResource) ? [server.Options.NodeId.ToString(CultureInfo.InvariantCulture)] : [];
        return new ListConfigResourcesResponse
        {
            ConfigResources =
            [
                .. topics.Select(static name => new ListConfigResourcesResponse.ConfigResource { ResourceName = name, ResourceType = TopicResource }),
                .. brokers.Select(static name => new ListConfigResourcesResponse.ConfigResource { ResourceName = name, ResourceType = BrokerResource }),
                .. Wants(GroupResource) ? _groups.List() : [],
                .. Wants(MetricsResource) ? _metrics.List() : [],
            ],
        };
    }

    /// <summary>Kafka's code of a kind of value.</summary>
    public static sbyte TypeOf(TopicConfigType type) => type switch
    {
        TopicConfigType.Boolean => 1,
        TopicConfigType.Text => 2,
        TopicConfigType.Int => 3,
        TopicConfigType.Long => 5,
        TopicConfigType.Double => 6,
        TopicConfigType.List => 7,
        _ => 0,
    };

    private static HashSet<T> Repeated<T>(IEnumerable<T> names)
    {
        var seen = new HashSet<T>();
        return [.. names.Where(name => !seen.Add(name))];
    }

    /// <summary>Says what is wrong with the changes of one resource, whatever its configuration is; null: nothing.</summary>
    private static string? Problem(IncrementalAlterConfigsRequest.AlterableConfig[] changes) =>
        Repeated(changes.Select(static change => change.Name)).FirstOrDefault() is { } twice ? $"The configuration key {twice} is changed more than once."
        : changes.FirstOrDefault(static change => change.ConfigOperation is < Set or > Subtract) is { } unknown ? $"Unknown operation type {unknown.ConfigOperation} for {unknown.Name}"
        : changes.FirstOrDefault(static change => change.ConfigOperation != Delete && change.Value is null) is { } empty ? $"Null value not supported for {empty.Name}"
        : null;

    /// <exception cref="InvalidDataException">An operation that cannot be; the message says why.</exception>
    private static Dictionary<string, string> Change(IReadOnlyDictionary<string, string> current, IncrementalAlterConfigsRequest.AlterableConfig[] changes)
    {
        var config = new Dictionary<string, string>(current, StringComparer.Ordinal);
        foreach (IncrementalAlterConfigsRequest.AlterableConfig change in changes)
        {
            if (change.ConfigOperation == Delete)
            {
                config.Remove(change.Name);
                continue;
            }

            string value = change.Value!;
            switch (change.ConfigOperation)
            {
                case Set:
                    config[change.Name] = value;
                    break;
                case Append or Subtract when TopicConfig.Keys.GetValueOrDefault(change.Name)?.Type != TopicConfigType.List:
                    throw new InvalidDataException($"Can't {(change.ConfigOperation == Append ? "APPEND" : "SUBTRACT")} to key {change.Name} because its type is not LIST.");
                case Append or Subtract:
                    string[] before = config.GetValueOrDefault(change.Name, TopicConfig.Keys[change.Name].Default).Split(',', StringSplitOptions.RemoveEmptyEntries);
                    string[] items = value.Split(',', StringSplitOptions.RemoveEmptyEntries);
                    config[change.Name] = string.Join(',', change.ConfigOperation == Append ? before.Union(items, StringComparer.Ordinal) : before.Except(items, StringComparer.Ordinal));
                    break;
            }
        }

        return config;
    }

    private DescribeConfigsResponse.DescribeConfigsResult Describe(KafkaRequest request, DescribeConfigsRequest.DescribeConfigsResource resource, bool withSynonyms)
    {
        var result = new DescribeConfigsResponse.DescribeConfigsResult { ResourceType = resource.ResourceType, ResourceName = resource.ResourceName, ErrorMessage = null };
        switch (resource.ResourceType)
        {
            case TopicResource when !request.AllowsTopic(AclOperation.DescribeConfigs, resource.ResourceName):
                result.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
                break;
            case TopicResource when server.Host?.FindTopic(resource.ResourceName) is { } topic:
                result.Configs = [.. TopicConfig.Keys.Values.OrderBy(static key => key.Name, StringComparer.Ordinal)
                    .Where(key => resource.ConfigurationKeys is null or [] || resource.ConfigurationKeys.Contains(key.Name, StringComparer.Ordinal))
                    .Select(key => Describe(key, topic.Definition.Config, FromTopic, withSynonyms))];
                break;
            case TopicResource:
                result.ErrorCode = TopicDefinition.NameProblem(resource.ResourceName) is null ? KafkaErrorCode.UnknownTopicOrPartition : KafkaErrorCode.InvalidTopicException;
                break;
            case GroupResource:
                _groups.Describe(request, resource, withSynonyms, result);
                break;
            case MetricsResource:
                _metrics.Describe(request, resource, withSynonyms, result);
                break;
            case BrokerResource when !request.AllowsCluster(AclOperation.DescribeConfigs):
                result.ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed;
                break;
            case BrokerResource when resource.ResourceName.Length == 0:
                // What all brokers have in common: nothing is set that way.
                break;
            case BrokerResource when resource.ResourceName == server.Options.NodeId.ToString(CultureInfo.InvariantCulture):
                result.Configs = BrokerConfigs.Describe(request, resource.ConfigurationKeys, withSynonyms);
                break;
            default:
                result.ErrorCode = KafkaErrorCode.InvalidRequest;
                result.ErrorMessage = resource.ResourceType == BrokerResource
                    ? $"There is no broker '{resource.ResourceName}': the only one is {server.Options.NodeId}."
                    : resource.ResourceType == BrokerLoggerResource ? LoggersMessage
                    : $"Resources of type {resource.ResourceType} have no configuration here.";
                break;
        }

        return result;
    }

    /// <summary>What is set, for the log.</summary>
    public static string Words(IReadOnlyDictionary<string, string> config) =>
        ChangeWords.Settings(config, none: "nothing is set any more");

    /// <summary>How a key stands where some are set.</summary>
    public static DescribeConfigsResponse.DescribeConfigsResourceResult Describe(TopicConfigKey key, IReadOnlyDictionary<string, string> config, sbyte setSource, bool withSynonyms, bool tellsDefaults = true)
    {
        bool isSet = config.TryGetValue(key.Name, out string? value);
        var result = new DescribeConfigsResponse.DescribeConfigsResourceResult
        {
            Name = key.Name,
            Value = value ?? key.Default,
            ConfigSource = isSet ? setSource : FromDefault,
            ConfigType = TypeOf(key.Type),
            Documentation = null,
        };
        if (withSynonyms)
        {
            DescribeConfigsResponse.DescribeConfigsSynonym[] set = isSet ? [new DescribeConfigsResponse.DescribeConfigsSynonym { Name = key.Name, Value = value, Source = setSource }] : [];
            result.Synonyms = tellsDefaults ? [.. set, new DescribeConfigsResponse.DescribeConfigsSynonym { Name = key.Name, Value = key.Default, Source = FromDefault }] : set;
        }

        return result;
    }

    private async ValueTask<(KafkaErrorCode Error, string? Message)> AlterAsync(
        KafkaRequest request, sbyte type, string name, bool validateOnly, Func<IReadOnlyDictionary<string, string>, Dictionary<string, string>> change)
    {
        if (type == GroupResource)
        {
            return await _groups.AlterAsync(request, name, validateOnly, change).ConfigureAwait(false);
        }

        if (type == MetricsResource)
        {
            return await _metrics.AlterAsync(request, name, validateOnly, change).ConfigureAwait(false);
        }

        if (type != TopicResource)
        {
            return (KafkaErrorCode.InvalidRequest, type == BrokerResource
                ? "The broker's settings are made in Sluice's own configuration (docs/operating/configuration.md), and hold from the next start on."
                : type == BrokerLoggerResource ? LoggersMessage
                : $"Resources of type {type} have no configuration here.");
        }

        if (!request.AllowsTopic(AclOperation.AlterConfigs, name))
        {
            return (KafkaErrorCode.TopicAuthorizationFailed, null);
        }

        if (server.Host is not { } host || host.FindTopic(name) is not { } topic)
        {
            return (KafkaErrorCode.UnknownTopicOrPartition, $"The topic '{name}' does not exist.");
        }

        try
        {
            BrokerResult outcome = validateOnly ? TopicConfig.Check(change(topic.Definition.Config)) : await host.ConfigureTopicAsync(topic, change).ConfigureAwait(false);
            if (outcome.IsOk && !validateOnly)
            {
                IReadOnlyDictionary<string, string> config = topic.Definition.Config;
                request.LogChange($"configured topic '{name}': {Words(config)}");
            }

            return (KafkaErrors.OfTopic(outcome.Status), outcome.IsOk ? null : outcome.Detail);
        }
        catch (InvalidDataException error)
        {
            return (KafkaErrorCode.InvalidConfig, error.Message);
        }
    }
}
