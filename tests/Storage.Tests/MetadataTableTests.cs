using Sluice.Storage.Metadata;

namespace Sluice.Storage.Tests;

public sealed class MetadataTableTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 30)]
    [InlineData(3, 50)]
    public void It_agrees_with_a_sorted_dictionary_whatever_the_order_of_changes(int seed, int removalsInHundred)
    {
        Random random = new(seed);
        MetadataTable table = new();
        SortedDictionary<string, long> model = new(StringComparer.Ordinal);
        for (int i = 0; i < 20_000; i++)
        {
            // Ascending keys half of the time, as names are often given.
            string key = i % 2 == 0 ? $"b/{i:d6}" : $"{(char)('a' + random.Next(3))}/{random.Next(3000)}";
            if (random.Next(100) < removalsInHundred && model.Count > 0)
            {
                key = random.Next(2) == 0 ? model.First().Key : key;
                Assert.Equal(model.Remove(key), table.Remove(key));
                continue;
            }
            model[key] = i;
            table.Set(new MetadataSlot(key, [], 1, i, i));
        }
        Assert.Equal(model.Count, table.Count);
        foreach (string prefix in (string[])["", "a/", "b/", "b/0001", "c/29", "d"])
        {
            Assert.Equal(model.Where(p => p.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(static p => (p.Key, p.Value)), table.Range(prefix).Select(static e => (e.Key, e.ModRevision)));
        }
        Assert.All(model, pair => Assert.True(table.TryGet(pair.Key, out MetadataSlot slot) && slot.Offset == pair.Value));
        Assert.False(table.TryGet("b/x", out _));
    }
}
