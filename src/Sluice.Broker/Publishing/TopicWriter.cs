using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Broker.Topics;
using Sluice.Storage.Records;

namespace Sluice.Broker.Publishing;

/// <summary>
/// Puts a turn's messages into topics: encodes each once, to however many topics and streams it goes, and chooses the partition. One per publish turn; not thread-safe.
/// </summary>
internal sealed class TopicWriter(MessageBroker broker)
{
    private readonly TopicRecord _record = new();
    private readonly Dictionary<Topic, TopicPartition> _spread = [];

    /// <summary>Begins a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="headers">Its record headers as <see cref="MessageRecord.WriteHeaders"/> has written them.</param>
    /// <param name="headerCount">How many these are.</param>
    public void Encode(in MessageToPublish message, ReadOnlySpan<byte> headers, int headerCount) => _record.Encode(message, headers, headerCount, broker.FindFormat(message.Format));

    /// <summary>
    /// The partition that the message goes to: that of its key. Without one partitions take turns, and neighbours in a publish turn keep together, so that they are one batch.
    /// </summary>
    public StoredQueue Choose(Topic topic)
    {
        if (_record.HasKey)
        {
            return topic.PartitionOf(_record.Key).Queue;
        }

        if (!_spread.TryGetValue(topic, out TopicPartition? partition))
        {
            partition = topic.NextPartition();
            _spread.Add(topic, partition);
        }

        return partition.Queue;
    }

    public void Append(RecordBatchBuilder batch, long nowMs, ReadOnlySpan<byte> body) =>
        batch.Append(nowMs, _record.HasKey, _record.Key, hasValue: true, body, _record.Headers, _record.HeaderCount);

    /// <summary>What was staged is handed over: messages without a key go on with the next partition.</summary>
    public void EndTurn() => _spread.Clear();
}
