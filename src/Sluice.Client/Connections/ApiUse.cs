using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Connections;

/// <summary>An API with the versions of it that this client speaks.</summary>
/// <param name="Api">What the tables say about it.</param>
/// <param name="Min">The oldest version that has what the client needs.</param>
/// <param name="Max">The newest version whose meaning the client follows.</param>
internal sealed record ApiUse(KafkaApi Api, short Min, short Max)
{
    public static readonly ApiUse ApiVersions = Of(KafkaApiKey.ApiVersions, 0, 3);
    public static readonly ApiUse SaslHandshake = Of(KafkaApiKey.SaslHandshake, 1, 1);
    public static readonly ApiUse SaslAuthenticate = Of(KafkaApiKey.SaslAuthenticate, 0, 2);
    public static readonly ApiUse Metadata = Of(KafkaApiKey.Metadata, 4, 12);

    /// <summary>From version 12 on a broker adds partitions to a transaction by itself (KIP-890): with that the client would have to go by what the cluster has finalised.</summary>
    public static readonly ApiUse Produce = Of(KafkaApiKey.Produce, 3, 11);
    public static readonly ApiUse InitProducerId = Of(KafkaApiKey.InitProducerId, 0, 4);
    public static readonly ApiUse AddPartitionsToTxn = Of(KafkaApiKey.AddPartitionsToTxn, 0, 3);
    public static readonly ApiUse AddOffsetsToTxn = Of(KafkaApiKey.AddOffsetsToTxn, 0, 3);
    public static readonly ApiUse EndTxn = Of(KafkaApiKey.EndTxn, 0, 3);
    public static readonly ApiUse TxnOffsetCommit = Of(KafkaApiKey.TxnOffsetCommit, 3, 3);

    /// <summary>The last version that names topics; later ones have their ids.</summary>
    public static readonly ApiUse Fetch = Of(KafkaApiKey.Fetch, 4, 12);
    public static readonly ApiUse ListOffsets = Of(KafkaApiKey.ListOffsets, 1, 7);
    public static readonly ApiUse FindCoordinator = Of(KafkaApiKey.FindCoordinator, 1, 3);
    public static readonly ApiUse JoinGroup = Of(KafkaApiKey.JoinGroup, 1, 8);
    public static readonly ApiUse SyncGroup = Of(KafkaApiKey.SyncGroup, 0, 5);
    public static readonly ApiUse Heartbeat = Of(KafkaApiKey.Heartbeat, 0, 4);
    public static readonly ApiUse LeaveGroup = Of(KafkaApiKey.LeaveGroup, 3, 5);
    public static readonly ApiUse ConsumerGroupHeartbeat = Of(KafkaApiKey.ConsumerGroupHeartbeat, 0, 1);
    public static readonly ApiUse OffsetCommit = Of(KafkaApiKey.OffsetCommit, 2, 9);

    /// <summary>The first version that waits for the end of transactions, and the last that asks for one group.</summary>
    public static readonly ApiUse OffsetFetch = Of(KafkaApiKey.OffsetFetch, 7, 7);

    /// <summary>From the first version in which the broker chooses how many partitions and replicas.</summary>
    public static readonly ApiUse CreateTopics = Of(KafkaApiKey.CreateTopics, 4, 7);
    public static readonly ApiUse CreatePartitions = Of(KafkaApiKey.CreatePartitions, 0, 3);

    /// <summary>Up to the last version that names topics only.</summary>
    public static readonly ApiUse DeleteTopics = Of(KafkaApiKey.DeleteTopics, 1, 5);
    public static readonly ApiUse IncrementalAlterConfigs = Of(KafkaApiKey.IncrementalAlterConfigs, 0, 1);

    /// <summary>From the first version with patterns.</summary>
    public static readonly ApiUse DescribeAcls = Of(KafkaApiKey.DescribeAcls, 1, 3);
    public static readonly ApiUse CreateAcls = Of(KafkaApiKey.CreateAcls, 1, 3);
    public static readonly ApiUse DeleteAcls = Of(KafkaApiKey.DeleteAcls, 1, 3);

    private static ApiUse Of(KafkaApiKey key, short min, short max) => new(KafkaApis.Get(key), min, max);
}
