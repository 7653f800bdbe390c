using System.Collections.Concurrent;

namespace Sluice.Client.Producing;

/// <summary>Stays with a partition until a batch's worth of bytes has gone to it, then takes another at random (KIP-794): batches are full, and partitions get the same in the long run.</summary>
/// <param name="bytes">How much goes to one partition; as a rule the producer's batch size.</param>
/// <param name="random">Thread-safe.</param>
public sealed class StickyPartitioner(int bytes, Random random) : Partitioner
{
    private readonly ConcurrentDictionary<string, Sticky> _topics = new(StringComparer.Ordinal);

    public override int Choose(in PartitionChoice choice)
    {
        if (choice.PartitionCount == 1)
        {
            return 0;
        }

        Sticky sticky = _topics.GetOrAdd(choice.Topic, static _ => new Sticky());
        lock (sticky)
        {
            if (sticky.Partition < 0 || sticky.Partition >= choice.PartitionCount || sticky.Bytes >= bytes)
            {
                sticky.Partition = Next(sticky.Partition, choice.PartitionCount);
                sticky.Bytes = 0;
            }

            sticky.Bytes += choice.Key.Length + choice.Value.Length;
            return sticky.Partition;
        }
    }

    /// <summary>Any but the current one.</summary>
    private int Next(int current, int count)
    {
        if (current < 0 || current >= count)
        {
            return random.Next(count);
        }

        int other = random.Next(count - 1);
        return other < current ? other : other + 1;
    }

    private sealed class Sticky
    {
        public int Partition { get; set; } = -1;

        public long Bytes { get; set; }
    }
}
