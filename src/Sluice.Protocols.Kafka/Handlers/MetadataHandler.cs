using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>Metadata: the broker, the topics and their partitions; makes topics that are asked for where that is allowed.</summary>
internal sealed class MetadataHandler(KafkaServer server)
{
    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, MetadataRequest body)
    {
        // Version 0 had no null: an empty list asked for all.
        bool wantsAll = body.Topics is null || (request.Version == 0 && body.Topics.Length == 0);
        var topics = new List<MetadataResponse.MetadataResponseTopic>();
        if (server.Host is { } host)
        {
            if (wantsAll)
            {
                topics.AddRange(host.ListTopics(withQueues: true).Where(topic => request.SeesTopic(topic.Name)).Select(topic => Describe(request, topic, body.IncludeTopicAuthorizedOperations)));
            }
            else
            {
                foreach (MetadataRequest.MetadataRequestTopic wanted in body.Topics!.DistinctBy(static topic => (topic.Name, topic.TopicId)))
                {
                    topics.Add(await FindAsync(request, host, wanted, body).ConfigureAwait(false));
                }
            }
        }

        (string name, int port) = request.Connection.Advertised;
        return new MetadataResponse
        {
            Brokers = [new MetadataResponse.MetadataResponseBroker { NodeId = server.Options.NodeId, Host = name, Port = port }],
            ClusterId = server.ClusterId,
            ControllerId = server.Options.NodeId,
            Topics = [.. topics],
            ClusterAuthorizedOperations = body.IncludeClusterAuthorizedOperations ? request.ClusterOperations() : int.MinValue,
        };
    }

    private async ValueTask<MetadataResponse.MetadataResponseTopic> FindAsync(KafkaRequest request, VirtualHost host, MetadataRequest.MetadataRequestTopic wanted, MetadataRequest body)
    {
        if (wanted.TopicId != Guid.Empty && request.Version < 12)
        {
            // These versions have the field, but never had its meaning (KIP-516).
            return new MetadataResponse.MetadataResponseTopic { ErrorCode = KafkaErrorCode.InvalidRequest, TopicId = wanted.TopicId, Name = wanted.Name ?? "" };
        }

        if (wanted.TopicId != Guid.Empty)
        {
            return host.FindTopic(wanted.TopicId) is { } known && request.AllowsTopic(AclOperation.Describe, known.Name)
                ? Describe(request, known, body.IncludeTopicAuthorizedOperations)
                : new MetadataResponse.MetadataResponseTopic { ErrorCode = KafkaErrorCode.UnknownTopicId, TopicId = wanted.TopicId, Name = null };
        }

        string name = wanted.Name ?? "";
        if (TopicDefinition.NameProblem(name) is not null)
        {
            return Refused(name, KafkaErrorCode.InvalidTopicException);
        }

        if (!request.AllowsTopic(AclOperation.Describe, name))
        {
            return Refused(name, KafkaErrorCode.TopicAuthorizationFailed);
        }

        if (host.FindTopic(name) is { } topic)
        {
            return Describe(request, topic, body.IncludeTopicAuthorizedOperations);
        }

        if (!body.AllowAutoTopicCreation || !server.Options.AutoCreateTopics)
        {
            return Refused(name, KafkaErrorCode.UnknownTopicOrPartition);
        }

        if (!request.MayCreateTopic(name))
        {
            return Refused(name, KafkaErrorCode.TopicAuthorizationFailed);
        }

        BrokerResult<Topic> created = server.FindInternalTopic(name) is { } kept
            ? await kept.OpenAsync(host, server.NewId).ConfigureAwait(false)
            : await host.CreateTopicAsync(new TopicDefinition(name, server.NewId(), new Dictionary<string, string>(StringComparer.Ordinal)), server.Options.DefaultPartitions).ConfigureAwait(false);
        topic = created.Value ?? host.FindTopic(name);
        if (created.IsOk && topic is not null)
        {
            request.LogChange($"created topic '{name}' with {topic.Partitions.Count} partition{(topic.Partitions.Count == 1 ? "" : "s")} by asking for it (Kafka:AutoCreateTopics)");
        }

        return topic is not null
            ? Describe(request, topic, body.IncludeTopicAuthorizedOperations)
            : Refused(name, created.Status == BrokerStatus.Differs ? KafkaErrorCode.InvalidTopicException : KafkaErrors.OfTopic(created.Status));
    }

    private static MetadataResponse.MetadataResponseTopic Refused(string name, KafkaErrorCode error) => new() { ErrorCode = error, Name = name };

    private MetadataResponse.MetadataResponseTopic Describe(KafkaRequest request, Topic topic, bool withOperations)
    {
        int[] replicas = [server.Options.NodeId];
        return new MetadataResponse.MetadataResponseTopic
        {
            Name = topic.Name,
            TopicId = topic.Id,
            IsInternal = topic.Definition.IsInternal,
            Partitions = [.. topic.Partitions.Select(partition => new MetadataResponse.MetadataResponsePartition
            {
                PartitionIndex = partition.Index,
                LeaderId = server.Options.NodeId,
                LeaderEpoch = KafkaServer.LeaderEpoch,
                ReplicaNodes = replicas,
                IsrNodes = replicas,
            })],
            TopicAuthorizedOperations = withOperations ? request.TopicOperations(topic.Name) : int.MinValue,
        };
    }
}
