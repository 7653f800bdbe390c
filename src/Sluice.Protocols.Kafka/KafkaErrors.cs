using Sluice.Broker;
using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka;

/// <summary>The broker's outcomes in Kafka's codes.</summary>
internal static class KafkaErrors
{
    /// <summary>Of an operation on topics.</summary>
    public static KafkaErrorCode OfTopic(BrokerStatus status) => status switch
    {
        BrokerStatus.Ok => KafkaErrorCode.None,
        BrokerStatus.NotFound => KafkaErrorCode.UnknownTopicOrPartition,
        BrokerStatus.Differs => KafkaErrorCode.TopicAlreadyExists,
        BrokerStatus.InvalidArgument => KafkaErrorCode.InvalidConfig,
        BrokerStatus.LimitReached => KafkaErrorCode.InvalidPartitions,
        BrokerStatus.Forbidden => KafkaErrorCode.TopicAuthorizationFailed,
        BrokerStatus.Unavailable => KafkaErrorCode.KafkaStorageError,
        _ => KafkaErrorCode.UnknownServerError,
    };

    /// <summary>Of an append.</summary>
    public static KafkaErrorCode Of(PartitionStatus status) => status switch
    {
        PartitionStatus.Ok => KafkaErrorCode.None,
        PartitionStatus.Deleted => KafkaErrorCode.UnknownTopicOrPartition,
        PartitionStatus.Failed => KafkaErrorCode.KafkaStorageError,
        PartitionStatus.Duplicate => KafkaErrorCode.None,
        PartitionStatus.OutOfOrderSequence => KafkaErrorCode.OutOfOrderSequenceNumber,
        PartitionStatus.InvalidProducerEpoch => KafkaErrorCode.InvalidProducerEpoch,
        PartitionStatus.InvalidTransactionState => KafkaErrorCode.InvalidTxnState,
        PartitionStatus.Refused => KafkaErrorCode.PolicyViolation,
        PartitionStatus.CoordinatorFenced => KafkaErrorCode.TransactionCoordinatorFenced,
        _ => KafkaErrorCode.UnknownServerError,
    };

    /// <summary>Of what a member of a share group says becomes of records.</summary>
    public static KafkaErrorCode Of(AcknowledgeStatus status) => status switch
    {
        AcknowledgeStatus.Ok => KafkaErrorCode.None,
        AcknowledgeStatus.Invalid => KafkaErrorCode.InvalidRequest,
        _ => KafkaErrorCode.InvalidRecordState,
    };
}
