using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>The place of one answer in the order of a connection's answers.</summary>
internal sealed class ResponseSlot
{
    /// <summary>The encoded answer; null if there is none to send. Owned by the slot once it is set.</summary>
    public KafkaWriter? Writer { get; set; }

    /// <summary>The answer, or that there is none, is known. Guarded by the queue's lock.</summary>
    public bool IsComplete { get; set; }
}
