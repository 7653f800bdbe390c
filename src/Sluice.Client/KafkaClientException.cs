using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client;

/// <summary>What went wrong between this client and a broker, with the protocol's code for it.</summary>
public sealed class KafkaClientException : Exception
{
    public KafkaClientException()
    {
    }

    public KafkaClientException(string message)
        : base(message)
    {
    }

    public KafkaClientException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public KafkaClientException(KafkaErrorCode code, string message, Exception? inner = null)
        : base(message, inner) => ErrorCode = code;

    /// <summary>The broker's error, or the code that comes nearest to what the client found itself.</summary>
    public KafkaErrorCode ErrorCode { get; } = KafkaErrorCode.UnknownServerError;

    /// <summary>Whether the same request may succeed later.</summary>
    public bool IsRetriable => ErrorCode.IsRetriable();

    /// <summary>Whether another producer has taken over the transactional id: this one must be disposed.</summary>
    public bool IsFenced => ErrorCode is KafkaErrorCode.ProducerFenced or KafkaErrorCode.InvalidProducerEpoch;

    internal static KafkaClientException Of(KafkaErrorCode code, string doing, string? detail = null) =>
        new(code, string.IsNullOrEmpty(detail) ? $"{doing}: the broker answered {code}." : $"{doing}: the broker answered {code}: {detail}");
}
