using System.Collections.Immutable;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>What is known of a transactional id at one time. Times are Unix ms.</summary>
/// <param name="Id">The producer's name for itself over its restarts.</param>
/// <param name="ProducerId">Under which it writes.</param>
/// <param name="Epoch">Instances with an earlier one are fenced; -1 before the first.</param>
/// <param name="PreviousProducerId">Before the epochs of that were used up; -1: there was none.</param>
/// <param name="LastEpoch">From which the producer itself went on to <paramref name="Epoch"/>, so that it may ask for that again; -1: it may not.</param>
/// <param name="TimeoutMs">After which its transaction is rolled back.</param>
/// <param name="Status">Where it is.</param>
/// <param name="Partitions">Of the transaction; empty unless one is going on.</param>
/// <param name="StartMs">When the transaction began, or the last one; -1: there was none.</param>
/// <param name="UpdateMs">When this became so.</param>
/// <param name="ClientVersion">The version of transactions (KIP-890) by which the last step was taken.</param>
internal sealed record Transaction(
    string Id,
    long ProducerId,
    short Epoch,
    long PreviousProducerId,
    short LastEpoch,
    int TimeoutMs,
    TransactionStatus Status,
    ImmutableHashSet<TopicIndex> Partitions,
    long StartMs,
    long UpdateMs,
    short ClientVersion)
{
    /// <summary>Every end of a transaction gives the producer another epoch from this version on.</summary>
    public const short BumpsEpoch = 2;

    private const short EpochMax = short.MaxValue - 1;

    /// <summary>The producer may not go beyond this epoch, so that it can always be fenced.</summary>
    public static bool IsExhausted(short epoch) => epoch >= EpochMax;

    /// <summary>A transactional id nobody has used before; its first epoch is the next.</summary>
    public static Transaction New(string id, long producerId, int timeoutMs, long nowMs) =>
        new(id, producerId, Epoch: -1, PreviousProducerId: -1, LastEpoch: -1, timeoutMs, TransactionStatus.Empty, [], StartMs: -1, nowMs, ClientVersion: 0);

    /// <exception cref="KafkaParseException">A state in which this broker never leaves a transaction.</exception>
    public static Transaction Restore(string id, TransactionLogValue value)
    {
        var status = (TransactionStatus)value.TransactionStatus;
        return Enum.IsDefined(status)
            ? new Transaction(
                id,
                value.ProducerId,
                value.ProducerEpoch,
                value.PreviousProducerId,
                value.LastProducerEpoch,
                value.TransactionTimeoutMs,
                status,
                [.. (value.TransactionPartitions ?? []).SelectMany(static topic => topic.PartitionIds.Select(partition => new TopicIndex(topic.Topic, partition)))],
                value.TransactionStartTimestampMs,
                value.TransactionLastUpdateTimestampMs,
                value.ClientTransactionVersion)
            : throw new KafkaParseException($"state {value.TransactionStatus} of transactional id '{id}'");
    }

    /// <summary>What <see cref="Restore"/> reads.</summary>
    public TransactionLogValue ToValue() => new()
    {
        ProducerId = ProducerId,
        PreviousProducerId = PreviousProducerId,
        ProducerEpoch = Epoch,
        LastProducerEpoch = LastEpoch,
        TransactionTimeoutMs = TimeoutMs,
        TransactionStatus = (sbyte)Status,
        TransactionPartitions = Status == TransactionStatus.Empty ? null : [.. Partitions.GroupBy(static partition => partition.Topic, StringComparer.Ordinal).OrderBy(static topic => topic.Key, StringComparer.Ordinal).Select(static topic => new TransactionLogValue.PartitionsSchema
        {
            Topic = topic.Key,
            PartitionIds = [.. topic.Select(static partition => partition.Partition).Order()],
        })],
        TransactionLastUpdateTimestampMs = UpdateMs,
        TransactionStartTimestampMs = StartMs,
        ClientTransactionVersion = ClientVersion,
    };
}
