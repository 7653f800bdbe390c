using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client;

/// <summary>What else a client does about the protocol's errors than to try again.</summary>
internal static class ErrorCodeMeaning
{
    /// <summary>Who leads the partition is not who was believed to: ask for metadata.</summary>
    public static bool IsStaleMetadata(this KafkaErrorCode code) => code is
        KafkaErrorCode.UnknownTopicOrPartition
        or KafkaErrorCode.LeaderNotAvailable
        or KafkaErrorCode.NotLeaderOrFollower
        or KafkaErrorCode.ReplicaNotAvailable
        or KafkaErrorCode.FencedLeaderEpoch
        or KafkaErrorCode.UnknownLeaderEpoch
        or KafkaErrorCode.NetworkException
        or KafkaErrorCode.KafkaStorageError
        or KafkaErrorCode.ListenerNotFound
        or KafkaErrorCode.UnknownTopicId
        or KafkaErrorCode.InconsistentTopicId;

    /// <summary>What an error of a topic means, for answers that carry no text of the broker's; null where the name says it.</summary>
    public static string? Explanation(this KafkaErrorCode code) => code switch
    {
        KafkaErrorCode.InvalidTopicException => "a topic's name has 1 to 249 letters, digits, '.', '_' and '-', and is not '.' or '..'",
        KafkaErrorCode.TopicAuthorizationFailed => "the user may not use it, or it is not there and the user may not make it",
        _ => null,
    };

    /// <summary>The coordinator is another one, or not there yet: look for it again.</summary>
    public static bool IsStaleCoordinator(this KafkaErrorCode code) => code is
        KafkaErrorCode.CoordinatorNotAvailable
        or KafkaErrorCode.NotCoordinator
        or KafkaErrorCode.NetworkException
        or KafkaErrorCode.BrokerNotAvailable
        or KafkaErrorCode.RequestTimedOut;
}
