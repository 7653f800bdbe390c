using Sluice.Broker.Delays;

namespace Sluice.Broker.Tests.Delays;

public sealed class DelayIndexTests
{
    [Fact]
    public void Gives_back_in_order_of_time_then_of_place()
    {
        var random = new Random(9);
        var index = new DelayIndex(5000);
        var expected = new List<DelayEntry>();
        for (int round = 0; round < 20; round++)
        {
            while (index.TryAdd(new DelayEntry(random.Next(100), random.Next(128), random.NextInt64(1L << 50))))
            {
                expected.Add(default);
            }

            Assert.True(index.IsFull);
            DelayEntry last = index.Take();
            int taken = 1;
            while (index.Count > (round == 19 ? 0 : 2500))
            {
                Assert.Equal(index.FirstDueMs, Peek(index).DueMs);
                DelayEntry next = index.Take();
                Assert.True(last.CompareTo(next) <= 0);
                last = next;
                taken++;
            }

            expected.RemoveRange(0, taken);
        }

        Assert.Empty(expected);
        Assert.Equal(long.MaxValue, index.FirstDueMs);
    }

    [Fact]
    public void An_entry_keeps_slot_and_offset()
    {
        var entry = new DelayEntry(5, 127, (1L << 55) - 1);
        Assert.Equal(127, entry.Slot);
        Assert.Equal((1L << 55) - 1, entry.Offset);
    }

    private static DelayEntry Peek(DelayIndex index)
    {
        DelayEntry first = index.Take();
        index.Put(first);
        return first;
    }
}
