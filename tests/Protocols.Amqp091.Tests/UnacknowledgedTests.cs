using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Channels;

namespace Sluice.Protocols.Amqp091.Tests;

/// <summary>The ring of unacknowledged deliveries against a plain sorted dictionary.</summary>
public sealed class UnacknowledgedTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void It_does_what_a_sorted_dictionary_does(int seed)
    {
        var random = new Random(seed);
        var ring = new Unacknowledged();
        var model = new SortedDictionary<ulong, long>();
        var taken = new List<UnacknowledgedDelivery>();
        object source = new();
        ulong tag = 0;
        for (int step = 0; step < 20_000; step++)
        {
            switch (random.Next(10))
            {
                case < 5:
                    // Deliveries without acknowledgement leave gaps between the tags.
                    tag += (ulong)random.Next(1, 3);
                    ring.Add(tag, source, new MessageId(step), step);
                    model.Add(tag, step);
                    break;
                case < 8:
                    ulong wanted = (ulong)random.NextInt64(0, (long)tag + 2);
                    Assert.Equal(model.ContainsKey(wanted), ring.Contains(wanted));
                    bool found = ring.TryTake(wanted, out UnacknowledgedDelivery one);
                    Assert.Equal(model.Remove(wanted, out long id), found);
                    if (found)
                    {
                        Assert.Equal(id, one.Id.Value);
                        taken.Add(one);
                    }

                    break;
                case 8:
                    ulong upTo = (ulong)random.NextInt64(0, (long)tag + 2);
                    upTo = random.Next(20) == 0 ? ulong.MaxValue : Math.Min(upTo, (model.Count == 0 ? 0 : model.Keys.First()) + 20);
                    while (ring.TryTakeOldest(upTo, out UnacknowledgedDelivery oldest))
                    {
                        Assert.Equal(model.Keys.First(), oldest.Tag);
                        model.Remove(oldest.Tag);
                    }

                    Assert.True(model.Count == 0 || model.Keys.First() > upTo);
                    taken.Clear();
                    break;
                default:
                    ring.Restore(taken);
                    foreach (UnacknowledgedDelivery back in taken)
                    {
                        model.Add(back.Tag, back.Id.Value);
                    }

                    taken.Clear();
                    break;
            }

            Assert.Equal(model.Count, ring.Count);
        }
    }

    [Fact]
    public void One_straggler_does_not_make_the_ring_grow()
    {
        var ring = new Unacknowledged();
        object source = new();
        ring.Add(1, source, new MessageId(1), 0);
        for (ulong tag = 2; tag < 100_000; tag++)
        {
            ring.Add(tag, source, new MessageId((long)tag), 0);
            Assert.True(ring.TryTake(tag, out _));
        }

        Assert.True(ring.Length < 100, $"{ring.Length} places for one delivery");
        Assert.True(ring.TryTake(1, out _));
        Assert.Equal(0, ring.Count);
    }
}
