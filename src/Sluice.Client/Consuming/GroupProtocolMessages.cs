using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>What members of a classic group tell each other through the coordinator: two bytes of version, and a message.</summary>
internal static class GroupProtocolMessages
{
    private const short VersionMax = 3;

    /// <summary>With generation ids, without racks.</summary>
    private const short SubscriptionVersion = 2;
    private const short AssignmentVersion = 1;

    private static readonly BufferPool s_pool = new(keptBytesMax: 1 << 20);

    public static byte[] WriteSubscription(IEnumerable<string> topics, IEnumerable<TopicPartition> owned, int generation) => Write(
        new ConsumerProtocolSubscription
        {
            Topics = [.. topics],
            OwnedPartitions = [.. owned.GroupBy(partition => partition.Topic).Select(topic => new ConsumerProtocolSubscription.TopicPartition { Topic = topic.Key, Partitions = [.. topic.Select(partition => partition.Partition)] })],
            GenerationId = generation,
        },
        SubscriptionVersion);

    public static byte[] WriteAssignment(IEnumerable<TopicPartition> partitions) => Write(
        new ConsumerProtocolAssignment
        {
            AssignedPartitions = [.. partitions.GroupBy(partition => partition.Topic).Select(topic => new ConsumerProtocolAssignment.TopicPartition { Topic = topic.Key, Partitions = [.. topic.Select(partition => partition.Partition)] })],
        },
        AssignmentVersion);

    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static GroupMember ReadMember(string id, string? instanceId, ReadOnlyMemory<byte> metadata)
    {
        var subscription = new ConsumerProtocolSubscription();
        Read(subscription, metadata);
        return new GroupMember(
            id,
            instanceId,
            subscription.Topics,
            [.. subscription.OwnedPartitions.SelectMany(topic => topic.Partitions.Select(partition => new TopicPartition(topic.Topic, partition)))],
            subscription.GenerationId);
    }

    /// <exception cref="KafkaParseException">Malformed.</exception>
    public static TopicPartition[] ReadAssignment(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return [];
        }

        var assignment = new ConsumerProtocolAssignment();
        Read(assignment, bytes);
        return [.. assignment.AssignedPartitions.SelectMany(topic => topic.Partitions.Select(partition => new TopicPartition(topic.Topic, partition)))];
    }

    private static byte[] Write(IKafkaMessage message, short version)
    {
        using var writer = new KafkaWriter(s_pool);
        writer.WriteInt16(version);
        message.Write(writer, version);
        return writer.ToArray();
    }

    private static void Read(IKafkaMessage message, ReadOnlyMemory<byte> bytes)
    {
        var reader = new KafkaReader(bytes);
        short version = reader.ReadInt16();

        // What later versions add follows what is known.
        message.Read(ref reader, Math.Clamp(version, (short)0, VersionMax));
    }
}
