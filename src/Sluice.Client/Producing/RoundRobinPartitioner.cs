using System.Collections.Concurrent;

namespace Sluice.Client.Producing;

/// <summary>One partition after the other, whatever the key. Batches are small when there are many partitions.</summary>
public sealed class RoundRobinPartitioner : Partitioner
{
    private readonly ConcurrentDictionary<string, Counter> _topics = new(StringComparer.Ordinal);

    public override int Choose(in PartitionChoice choice) => (int)(_topics.GetOrAdd(choice.Topic, static _ => new Counter()).Next() % (uint)choice.PartitionCount);

    private sealed class Counter
    {
        private uint _next = uint.MaxValue;

        public uint Next() => Interlocked.Increment(ref _next);
    }
}
