using Sluice.Base.Binary;

namespace Sluice.Client.Producing;

/// <summary>A key's hash (murmur2, as Kafka's Java client), so that records of a key stay in order; records without a key go where <see cref="StickyPartitioner"/> says.</summary>
public sealed class DefaultPartitioner(int bytes, Random random) : Partitioner
{
    private readonly StickyPartitioner _sticky = new(bytes, random);

    public override int Choose(in PartitionChoice choice) => choice.HasKey ? Murmur2.Partition(choice.Key, choice.PartitionCount) : _sticky.Choose(choice);
}
