using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class DestinationSetTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(5000)]
    public void Keeps_each_destination_once_in_order_found(int count)
    {
        FakeQueue[] queues = [.. Enumerable.Range(0, count).Select(i => new FakeQueue($"q{i}"))];
        var set = new DestinationSet();
        for (int round = 0; round < 3; round++)
        {
            foreach (FakeQueue queue in queues)
            {
                Assert.True(set.Add(queue));
                Assert.False(set.Add(queue));
            }

            Assert.All(queues, queue => Assert.False(set.Add(queue)));
            Assert.Equal(queues, set.Items.ToArray());
            set.Clear();
            Assert.Equal(0, set.Count);
        }
    }

    [Fact]
    public void Forgets_between_messages_when_sizes_differ()
    {
        FakeQueue[] queues = [.. Enumerable.Range(0, 200).Select(i => new FakeQueue($"q{i}"))];
        var set = new DestinationSet();
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            var expected = new HashSet<FakeQueue>();
            for (int i = random.Next(300); i > 0; i--)
            {
                FakeQueue queue = queues[random.Next(queues.Length)];
                Assert.Equal(expected.Add(queue), set.Add(queue));
            }

            Assert.Equal(expected.Count, set.Count);
            set.Clear();
        }
    }

    [Fact]
    public void Does_not_allocate_once_grown()
    {
        FakeQueue[] queues = [.. Enumerable.Range(0, 3000).Select(i => new FakeQueue($"q{i}"))];
        var set = new DestinationSet();
        long before = 0;
        for (int round = 0; round < 20; round++)
        {
            if (round == 2)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            foreach (FakeQueue queue in queues)
            {
                set.Add(queue);
            }

            set.Clear();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Lets_go_of_the_memory_of_a_rare_huge_message()
    {
        var set = new DestinationSet();
        var big = new WeakReference[1];
        Fill(set, big);
        for (int i = 0; i < 300; i++)
        {
            set.Add(new FakeQueue("small"));
            set.Clear();
        }

        GC.Collect();
        Assert.False(big[0].IsAlive);

        static void Fill(DestinationSet set, WeakReference[] last)
        {
            FakeQueue queue = new("");
            for (int i = 0; i < 10_000; i++)
            {
                queue = new FakeQueue($"q{i}");
                set.Add(queue);
            }

            last[0] = new WeakReference(queue);
            set.Clear();
        }
    }
}
