using System.Buffers.Binary;
using System.Text;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>Numbers by which a group notices that its topics are others than before.</summary>
internal static class TopicHash
{
    private const ulong Start = 14695981039346656037, Factor = 1099511628211;

    /// <summary>Changes with the topics: which there are, and how many partitions they have.</summary>
    public static long Of(IEnumerable<GroupTopic> topics)
    {
        ulong hash = Start;
        Span<byte> bytes = stackalloc byte[20];
        foreach (GroupTopic topic in topics.OrderBy(static topic => topic.Name, StringComparer.Ordinal))
        {
            topic.Id.TryWriteBytes(bytes);
            BinaryPrimitives.WriteInt32BigEndian(bytes[16..], topic.Partitions);
            hash = Add(Add(hash, Encoding.UTF8.GetBytes(topic.Name)), bytes);
        }

        return (long)hash;
    }

    /// <summary>Changes with the names.</summary>
    public static long Of(IEnumerable<string> names) => (long)names.Aggregate(Start, static (hash, name) => Add(Add(hash, Encoding.UTF8.GetBytes(name)), "/"u8));

    private static ulong Add(ulong hash, ReadOnlySpan<byte> bytes)
    {
        foreach (byte part in bytes)
        {
            hash = unchecked((hash ^ part) * Factor);
        }

        return hash;
    }
}
