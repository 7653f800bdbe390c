using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>A group of any kind, as far as offsets and administration look at it. Guarded by its shard's lock.</summary>
internal abstract class Group(string id)
{
    public string Id => id;

    /// <summary>As ListGroups names it.</summary>
    public abstract string Type { get; }

    /// <summary>As ListGroups names it.</summary>
    public abstract string ProtocolType { get; }

    public abstract string StateName { get; }

    /// <summary>It has no members.</summary>
    public abstract bool IsEmpty { get; }

    /// <summary>Without members and offsets it goes by itself.</summary>
    public virtual bool ExpiresWithoutOffsets => true;

    /// <summary>Whether a client may commit offsets.</summary>
    /// <param name="memberId">Empty: the client is no member.</param>
    /// <param name="instanceId">Of a static member.</param>
    /// <param name="generation">Generation or member epoch; negative: the client is no member.</param>
    /// <param name="version">Of the request.</param>
    public abstract KafkaErrorCode CheckCommit(string memberId, string? instanceId, int generation, short version);

    /// <summary>Whether a client may read offsets.</summary>
    /// <param name="memberId">Null: the client does not say.</param>
    /// <param name="memberEpoch">Negative: the client does not say.</param>
    public abstract KafkaErrorCode CheckFetch(string? memberId, int memberEpoch);

    /// <summary>Whether offsets may be deleted by an operator.</summary>
    public abstract KafkaErrorCode CheckOffsetDelete();

    /// <summary>Whether members read the topic, or may do so as far as is known.</summary>
    public abstract bool IsSubscribedTo(string topic);

    /// <summary>From when on a committed offset's retention counts, Unix time in ms; null: it does not expire as long as the group is as it is.</summary>
    /// <param name="commitMs">When it was committed.</param>
    public abstract long? RetentionStart(long commitMs);

    /// <summary>Emits what makes the group be gone; the group has no members.</summary>
    public abstract void EmitTombstones(GroupTurn turn);

    /// <summary>Cancels its timers: it is no more.</summary>
    public abstract void Close();
}
