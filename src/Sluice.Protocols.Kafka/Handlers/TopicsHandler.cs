using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>CreateTopics, CreatePartitions, DeleteTopics.</summary>
internal sealed class TopicsHandler(KafkaServer server)
{
    private const sbyte FromTopic = 1, FromDefault = 5;

    // The first versions that know THROTTLING_QUOTA_EXCEEDED (KIP-599).
    private const short CreateStrictly = 6, GrowStrictly = 3, DeleteStrictly = 5;
    private const string QuotaExceeded = "The throttling quota has been exceeded.";

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, CreateTopicsRequest body)
    {
        var results = new List<CreateTopicsResponse.CreatableTopicResult>();
        MutationQuota quota = request.Mutate(CreateStrictly);
        HashSet<string> repeated = Repeated(body.Topics.Select(static topic => topic.Name));
        foreach (CreateTopicsRequest.CreatableTopic wanted in body.Topics.DistinctBy(static topic => topic.Name, StringComparer.Ordinal))
        {
            results.Add(repeated.Contains(wanted.Name)
                ? new CreateTopicsResponse.CreatableTopicResult { Name = wanted.Name, ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = "Duplicate topic name." }
                : await CreateAsync(request, wanted, body.ValidateOnly, quota).ConfigureAwait(false));
        }

        return new CreateTopicsResponse { ThrottleTimeMs = request.Throttle(quota), Topics = [.. results] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, CreatePartitionsRequest body)
    {
        var results = new List<CreatePartitionsResponse.CreatePartitionsTopicResult>();
        MutationQuota quota = request.Mutate(GrowStrictly);
        HashSet<string> repeated = Repeated(body.Topics.Select(static topic => topic.Name));
        foreach (CreatePartitionsRequest.CreatePartitionsTopic wanted in body.Topics.DistinctBy(static topic => topic.Name, StringComparer.Ordinal))
        {
            (KafkaErrorCode error, string? message) = repeated.Contains(wanted.Name)
                ? (KafkaErrorCode.InvalidRequest, "Duplicate topic name.")
                : await GrowAsync(request, wanted, body.ValidateOnly, quota).ConfigureAwait(false);
            results.Add(new CreatePartitionsResponse.CreatePartitionsTopicResult { Name = wanted.Name, ErrorCode = error, ErrorMessage = message });
        }

        return new CreatePartitionsResponse { ThrottleTimeMs = request.Throttle(quota), Results = [.. results] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DeleteTopicsRequest body)
    {
        (string? Name, Guid Id)[] wanted = request.Version >= 6
            ? [.. body.Topics.Select(static topic => (topic.Name, topic.TopicId))]
            : [.. body.TopicNames.Select(static name => ((string?)name, Guid.Empty))];
        Dictionary<Guid, int> times = wanted.Select(topic => Find(topic.Name, topic.Id)?.Id ?? Guid.Empty).CountBy(static id => id).ToDictionary();
        var results = new List<DeleteTopicsResponse.DeletableTopicResult>();
        MutationQuota quota = request.Mutate(DeleteStrictly);
        foreach ((string? name, Guid id) in wanted.Distinct())
        {
            string? problem = name is null && id == Guid.Empty ? "Neither topic name nor id were specified."
                : name is not null && id != Guid.Empty ? "Topic name and id may not both be specified."
                : Find(name, id) is { } known && times[known.Id] > 1 ? "Duplicate topic name or id."
                : null;
            results.Add(problem is null
                ? await DeleteAsync(request, name, id, quota).ConfigureAwait(false)
                : new DeleteTopicsResponse.DeletableTopicResult { Name = name, TopicId = id, ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = problem });
        }

        return new DeleteTopicsResponse { ThrottleTimeMs = request.Throttle(quota), Responses = [.. results] };
    }

    private static HashSet<string> Repeated(IEnumerable<string> names) =>
        [.. names.GroupBy(static name => name, StringComparer.Ordinal).Where(static group => group.Count() > 1).Select(static group => group.Key)];

    private async ValueTask<CreateTopicsResponse.CreatableTopicResult> CreateAsync(KafkaRequest request, CreateTopicsRequest.CreatableTopic wanted, bool validateOnly, MutationQuota quota)
    {
        var result = new CreateTopicsResponse.CreatableTopicResult { Name = wanted.Name, ErrorMessage = null, Configs = null };
        (result.ErrorCode, result.ErrorMessage) = Check(request, wanted, out int partitions);
        if (result.ErrorCode != KafkaErrorCode.None)
        {
            return result;
        }

        Dictionary<string, string> config = wanted.Configs.ToDictionary(static setting => setting.Name, static setting => setting.Value!, StringComparer.Ordinal);
        TopicDefinition definition = server.FindInternalTopic(wanted.Name)?.Define(server.NewId(), config) ?? new TopicDefinition(wanted.Name, server.NewId(), config);
        if (server.Host?.CheckTopic(definition, partitions).IsOk == true && !quota.TryTake(partitions))
        {
            (result.ErrorCode, result.ErrorMessage) = (KafkaErrorCode.ThrottlingQuotaExceeded, QuotaExceeded);
            return result;
        }

        BrokerResult outcome = server.Host is not { } host ? new BrokerResult(BrokerStatus.NotFound, "The virtual host of Kafka's topics does not exist.")
            : validateOnly ? host.CheckTopic(definition, partitions)
            : await host.CreateTopicAsync(definition, partitions).ConfigureAwait(false) is var created ? new BrokerResult(created.Status, created.Detail) : default;
        result.ErrorCode = KafkaErrors.OfTopic(outcome.Status);
        result.ErrorMessage = outcome.IsOk ? null : outcome.Detail;
        if (outcome.IsOk)
        {
            if (!validateOnly)
            {
                request.LogChange($"created topic '{wanted.Name}' with {partitions} partition{(partitions == 1 ? "" : "s")}{(config.Count == 0 ? "" : $" and {string.Join(", ", config.Select(static setting => $"{setting.Key}={setting.Value}"))}")}");
            }

            result.TopicId = validateOnly ? Guid.Empty : definition.Id;
            if (!request.SeesTopicConfig(wanted.Name))
            {
                result.TopicConfigErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
                return result;
            }

            result.NumPartitions = partitions;
            result.ReplicationFactor = 1;
            result.Configs = [.. TopicConfig.Keys.Values.OrderBy(static key => key.Name, StringComparer.Ordinal).Select(key => new CreateTopicsResponse.CreatableTopicConfigs
            {
                Name = key.Name,
                Value = definition.Config.GetValueOrDefault(key.Name, key.Default),
                ConfigSource = definition.Config.ContainsKey(key.Name) ? FromTopic : FromDefault,
            })];
        }

        return result;
    }

    private (KafkaErrorCode Error, string? Message) Check(KafkaRequest request, CreateTopicsRequest.CreatableTopic wanted, out int partitions)
    {
        partitions = wanted.NumPartitions == -1 ? server.FindInternalTopic(wanted.Name)?.Partitions ?? server.Options.DefaultPartitions : wanted.NumPartitions;
        if (!request.MayCreateTopic(wanted.Name))
        {
            return (KafkaErrorCode.TopicAuthorizationFailed, $"User '{request.Connection.Login.UserName}' may not create topic '{wanted.Name}'.");
        }

        if (TopicDefinition.NameProblem(wanted.Name) is { } problem)
        {
            return (KafkaErrorCode.InvalidTopicException, problem);
        }

        if (wanted.Assignments.Length > 0)
        {
            if (wanted.NumPartitions != -1 || wanted.ReplicationFactor != -1)
            {
                return (KafkaErrorCode.InvalidRequest, "Both a number of partitions or replicas and an assignment of replicas were given.");
            }

            partitions = wanted.Assignments.Length;
            if (!wanted.Assignments.Select(static assignment => assignment.PartitionIndex).Order().SequenceEqual(Enumerable.Range(0, partitions))
                || wanted.Assignments.Any(assignment => assignment.BrokerIds is not [var id] || id != server.Options.NodeId))
            {
                return (KafkaErrorCode.InvalidReplicaAssignment, $"Each partition from 0 on needs one replica, on broker {server.Options.NodeId}, which is the only one.");
            }
        }
        else if (wanted.ReplicationFactor is not (1 or -1))
        {
            return (KafkaErrorCode.InvalidReplicationFactor, wanted.ReplicationFactor <= 0
                ? "Replication factor must be larger than 0."
                : $"Unable to replicate the partition {wanted.ReplicationFactor} time(s): only 1 broker is there.");
        }

        string? bad = wanted.Configs.FirstOrDefault(static setting => setting.Value is null)?.Name;
        return bad is not null ? (KafkaErrorCode.InvalidConfig, $"Null value not supported for topic configs: {bad}")
            : Repeated(wanted.Configs.Select(static setting => setting.Name)).FirstOrDefault() is { } twice ? (KafkaErrorCode.InvalidConfig, $"Config {twice} is given twice.")
            : (KafkaErrorCode.None, null);
    }

    private async ValueTask<(KafkaErrorCode Error, string? Message)> GrowAsync(KafkaRequest request, CreatePartitionsRequest.CreatePartitionsTopic wanted, bool validateOnly, MutationQuota quota)
    {
        if (!request.AllowsTopic(AclOperation.Alter, wanted.Name))
        {
            return (KafkaErrorCode.TopicAuthorizationFailed, null);
        }

        if (server.Host is not { } host || host.FindTopic(wanted.Name) is not { } topic)
        {
            return (KafkaErrorCode.UnknownTopicOrPartition, $"The topic '{wanted.Name}' does not exist.");
        }

        if (topic.Definition.IsInternal)
        {
            return (KafkaErrorCode.InvalidTopicException, $"The topic '{wanted.Name}' is the broker's own: with another number of partitions it would not find again what it keeps there.");
        }

        int added = wanted.Count - topic.Partitions.Count;
        if (wanted.Assignments is { } assignments
            && (assignments.Length != added || assignments.Any(assignment => assignment.BrokerIds is not [var id] || id != server.Options.NodeId)))
        {
            return (KafkaErrorCode.InvalidReplicaAssignment, $"Each of the {added} new partitions needs one replica, on broker {server.Options.NodeId}, which is the only one.");
        }

        if (added > 0 && !quota.TryTake(added))
        {
            return (KafkaErrorCode.ThrottlingQuotaExceeded, QuotaExceeded);
        }

        BrokerResult grown = validateOnly ? host.CheckGrowth(topic, wanted.Count) : await host.AddPartitionsAsync(topic, wanted.Count).ConfigureAwait(false);
        if (grown.IsOk && !validateOnly)
        {
            request.LogChange($"gave topic '{topic.Name}' {wanted.Count} partitions, {added} more");
        }

        return grown.Status switch
        {
            BrokerStatus.Ok => (KafkaErrorCode.None, null),
            BrokerStatus.NotFound => (KafkaErrorCode.UnknownTopicOrPartition, grown.Detail),
            _ => (KafkaErrorCode.InvalidPartitions, grown.Detail),
        };
    }

    private Topic? Find(string? name, Guid id) => name is null ? server.Host?.FindTopic(id) : server.Host?.FindTopic(name);

    private async ValueTask<DeleteTopicsResponse.DeletableTopicResult> DeleteAsync(KafkaRequest request, string? name, Guid id, MutationQuota quota)
    {
        Topic? topic = Find(name, id);
        var result = new DeleteTopicsResponse.DeletableTopicResult { Name = name ?? topic?.Name, TopicId = topic?.Id ?? id };
        string known = name ?? topic?.Name ?? "";
        if (topic is not null && name is null && !request.AllowsTopic(AclOperation.Describe, known))
        {
            // Whoever may not know of it is not told its name.
            (result.Name, result.ErrorCode) = (null, KafkaErrorCode.TopicAuthorizationFailed);
        }
        else if (known.Length > 0 && (!request.MayDeleteTopic(known) || topic?.Definition.IsInternal == true))
        {
            result.ErrorCode = KafkaErrorCode.TopicAuthorizationFailed;
        }
        else if (topic is null)
        {
            result.ErrorCode = name is null ? KafkaErrorCode.UnknownTopicId : KafkaErrorCode.UnknownTopicOrPartition;
        }
        else if (!quota.TryTake(topic.Partitions.Count))
        {
            (result.ErrorCode, result.ErrorMessage) = (KafkaErrorCode.ThrottlingQuotaExceeded, QuotaExceeded);
        }
        else
        {
            result.ErrorCode = KafkaErrors.OfTopic((await topic.Host.DeleteTopicAsync(topic).ConfigureAwait(false)).Status);
            if (result.ErrorCode == KafkaErrorCode.None)
            {
                request.LogChange($"deleted topic '{topic.Name}' with {topic.Partitions.Count} partition{(topic.Partitions.Count == 1 ? "" : "s")}");
                await server.Groups.OnTopicDeletedAsync(topic.Name).ConfigureAwait(false);
                await server.Shares.RemoveAsync(key => key.TopicId == topic.Id).ConfigureAwait(false);
            }
        }

        return result;
    }
}
