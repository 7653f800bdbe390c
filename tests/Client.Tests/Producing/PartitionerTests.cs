using System.Text;
using Sluice.Base.Binary;
using Sluice.Client.Producing;

namespace Sluice.Client.Tests.Producing;

public sealed class PartitionerTests
{
    private static readonly Random s_random = new(1);

    /// <summary>The vectors of Kafka's own test of its hash.</summary>
    [Theory]
    [InlineData("21", -973932308)]
    [InlineData("foobar", -790332482)]
    [InlineData("a-little-bit-long-string", -985981536)]
    [InlineData("a-little-bit-longer-string", -1486304829)]
    [InlineData("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)]
    [InlineData("abc", 479470107)]
    public void Murmur2_is_that_of_the_Java_client(string text, int expected) => Assert.Equal(expected, Murmur2.Hash(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void A_key_always_goes_to_its_own_partition()
    {
        var partitioner = new DefaultPartitioner(100, s_random);
        int expected = (-973932308 & int.MaxValue) % 7;
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(expected, partitioner.Choose(new PartitionChoice("t", "21"u8, hasKey: true, new byte[200], 7)));
        }
    }

    [Fact]
    public void Records_without_a_key_stay_with_a_partition_until_a_batch_is_full()
    {
        var partitioner = new DefaultPartitioner(1000, s_random);
        int last = -1;
        for (int batch = 0; batch < 50; batch++)
        {
            int[] chosen = [.. Enumerable.Range(0, 10).Select(_ => partitioner.Choose(new PartitionChoice("t", default, hasKey: false, new byte[100], 4)))];
            Assert.Single(chosen.Distinct());
            Assert.NotEqual(last, chosen[0]);
            Assert.InRange(chosen[0], 0, 3);
            last = chosen[0];
        }
    }

    [Fact]
    public void Sticky_partitions_share_evenly_and_topics_are_apart()
    {
        var partitioner = new StickyPartitioner(100, s_random);
        int[] counts = new int[3];
        for (int i = 0; i < 3000; i++)
        {
            counts[partitioner.Choose(new PartitionChoice("a", default, hasKey: false, new byte[100], 3))]++;
            Assert.Equal(0, partitioner.Choose(new PartitionChoice("b", default, hasKey: false, new byte[100], 1)));
        }

        Assert.All(counts, count => Assert.InRange(count, 800, 1200));
    }

    [Fact]
    public void Sticky_leaves_a_partition_that_is_no_more()
    {
        var partitioner = new StickyPartitioner(1_000_000, s_random);
        for (int i = 0; i < 20; i++)
        {
            partitioner.Choose(new PartitionChoice("t", default, hasKey: false, "x"u8, 100));
            Assert.InRange(partitioner.Choose(new PartitionChoice("t", default, hasKey: false, "x"u8, 2)), 0, 1);
        }
    }

    [Fact]
    public void Round_robin_takes_one_after_the_other_whatever_the_key()
    {
        var partitioner = new RoundRobinPartitioner();
        int[] chosen = [.. Enumerable.Range(0, 6).Select(_ => partitioner.Choose(new PartitionChoice("t", "k"u8, hasKey: true, default, 3)))];
        Assert.Equal([0, 1, 2, 0, 1, 2], chosen);
    }
}
