using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Topics;

namespace Sluice.Broker.Queues;

/// <summary>
/// A topic by its name, whatever number of partitions it has or will have: bindings lead to it, and what is published to it goes into one partition.
/// It is read by partition, each of which is a stream, or by a share group.
/// </summary>
internal sealed class TopicQueue(Topic topic) : MessageQueue
{
    public Topic Topic => topic;

    public override string Name => topic.Name;

    public override QueueDefinition Definition => topic.Partitions[0].Queue.Definition with { Name = Name };

    public override QueueSettings Settings => topic.Partitions[0].Queue.Settings;

    public override object? Owner => null;

    public override long ReadyCount => topic.Partitions.Sum(static partition => partition.Queue.ReadyCount);

    public override long UnsettledCount => 0;

    public override int ConsumerCount => Consumers.Count;

    /// <summary>A share group's consumer is one, though it reads all partitions.</summary>
    public override IReadOnlyList<Consumer> Consumers => [.. topic.Partitions.SelectMany(static partition => partition.Queue.Consumers).Distinct()];

    public override bool IsOpen => topic.Partitions[0].IsOpen;

    public override BrokerResult AddConsumer(Consumer consumer) => new(
        BrokerStatus.InvalidArgument,
        $"topic '{Name}' in vhost '{topic.Host.Name}' has {topic.Partitions.Count} partitions: consume them as streams '{Name}:0' and so on, or all as a share group (argument x-share-group)");

    public override void RemoveConsumer(Consumer consumer)
    {
    }

    public override void Resume(Consumer consumer)
    {
    }

    public override ValueTask<bool> GetAsync(bool autoSettle, IDeliverySink sink) =>
        throw new InvalidOperationException("A topic has no get; the protocol must refuse it (Unsupported).");

    public override void Settle(ReadOnlySpan<MessageId> messages)
    {
    }

    public override void Requeue(ReadOnlySpan<MessageId> messages)
    {
    }

    public override void Reject(ReadOnlySpan<MessageId> messages)
    {
    }

    /// <summary>A topic cannot be purged; the protocol refuses it.</summary>
    public override long Purge() => throw new InvalidOperationException("A topic cannot be purged; the protocol must refuse it (Unsupported).");
}
