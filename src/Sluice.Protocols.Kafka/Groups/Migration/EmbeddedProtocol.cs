using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Groups.Consumers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Migration;

/// <summary>What consumers say to each other inside the classic protocol, which the broker reads and writes when they are in a consumer group.</summary>
internal static class EmbeddedProtocol
{
    /// <summary>The protocol type of consumers.</summary>
    public const string Type = "consumer";

    private const int VersionBytes = 2;

    /// <summary>Null: it can't be read.</summary>
    public static ConsumerProtocolSubscription? ReadSubscription(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return ConsumerProtocolSubscription.ReadRecord(bytes);
        }
        catch (KafkaParseException)
        {
            return null;
        }
    }

    /// <summary>The topics of a subscription, by as much of it as version 0 had, which every later one begins with. Null: it can't be read.</summary>
    public static string[]? ReadTopics(ReadOnlyMemory<byte> subscription)
    {
        try
        {
            var reader = new KafkaReader(subscription);
            reader.ReadInt16();
            var read = new ConsumerProtocolSubscription();
            read.Read(ref reader, ConsumerProtocolSubscription.MinVersion);
            return read.Topics;
        }
        catch (KafkaParseException)
        {
            return null;
        }
    }

    /// <summary>Null: it can't be read.</summary>
    public static ConsumerProtocolAssignment? ReadAssignment(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return bytes.IsEmpty ? new ConsumerProtocolAssignment() : ConsumerProtocolAssignment.ReadRecord(bytes);
        }
        catch (KafkaParseException)
        {
            return null;
        }
    }

    /// <summary>Partitions of topics that are not there are left out.</summary>
    public static PartitionSet Partitions(IEnumerable<(string Topic, int[] Indexes)> topics, IGroupTopics known) => new(topics.SelectMany(topic =>
        known.Find(topic.Topic) is { } found ? topic.Indexes.Select(index => new PartitionKey(found.Id, index)) : []));

    /// <summary>An assignment for a member that has given such a subscription: of the same version.</summary>
    public static ReadOnlyMemory<byte> WriteAssignment(PartitionSet partitions, ReadOnlyMemory<byte> subscription, IGroupTopics known, BufferPool buffers)
    {
        short version = subscription.Length < VersionBytes ? ConsumerProtocolAssignment.MinVersion : new KafkaReader(subscription).ReadInt16();
        using var writer = new KafkaWriter(buffers);
        new ConsumerProtocolAssignment
        {
            AssignedPartitions = [.. partitions.ByTopic().Select(topic => (known.Find(topic.Topic)?.Name, topic.Indexes)).Where(static topic => topic.Name is not null)
                .Select(static topic => new ConsumerProtocolAssignment.TopicPartition { Topic = topic.Name!, Partitions = topic.Indexes })],
        }.WriteRecord(writer, Math.Clamp(version, ConsumerProtocolAssignment.MinVersion, ConsumerProtocolAssignment.MaxVersion));
        return writer.ToArray();
    }
}
