using System.Text;
using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class TopicRouterTests
{
    // Expectations proven on RabbitMQ 3.10.
    [Theory]
    [InlineData("a.b.c", "a.b.c", true)]
    [InlineData("a.b.c", "a.b", false)]
    [InlineData("a.b", "a.b.c", false)]
    [InlineData("a.*.c", "a.b.c", true)]
    [InlineData("a.*.c", "a.c", false)]
    [InlineData("a.*.c", "a..c", true)]
    [InlineData("*", "a", true)]
    [InlineData("*", "", false)]
    [InlineData("*", "a.b", false)]
    [InlineData("*.*", ".", true)]
    [InlineData("#", "", true)]
    [InlineData("#", "a.b.c", true)]
    [InlineData("#", ".", true)]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    [InlineData("a.#", "a", true)]
    [InlineData("a.#", "a.", true)]
    [InlineData("a.#", "a.b.c.d", true)]
    [InlineData("a.#", "b", false)]
    [InlineData("#.z", "z", true)]
    [InlineData("#.z", "a.b.z", true)]
    [InlineData("#.z", "a.z.b", false)]
    [InlineData("a.#.z", "a.z", true)]
    [InlineData("a.#.z", "a.b.c.z", true)]
    [InlineData("a.#.z", "a.z.z", true)]
    [InlineData("a.#.z", "a", false)]
    [InlineData("#.*", "", false)]
    [InlineData("#.*", "a", true)]
    [InlineData("*.#", "a.b", true)]
    [InlineData("#.#", "", true)]
    [InlineData("#.#", "a.b", true)]
    [InlineData("#.a.#.b.#", "x.a.y.b.z", true)]
    [InlineData("#.a.#.b.#", "x.b.y.a.z", false)]
    [InlineData("*.a.#", "a", false)]
    [InlineData("a*.b", "a*.b", true)]
    [InlineData("a*.b", "aa.b", false)]
    [InlineData("a#", "a#", true)]
    [InlineData("a.b", "a.*", false)]
    public void Matches_words(string bindingKey, string routingKey, bool matches)
    {
        var router = new TopicRouter();
        router.Bind(new FakeQueue("q"), bindingKey);
        Assert.Equal(matches ? "q" : "", router.RouteNames(routingKey));
    }

    [Fact]
    public void Agrees_with_a_simple_matcher_on_random_bindings()
    {
        var random = new Random(20);
        string[] words = ["a", "b", "c", "", "*", "#"];
        var router = new TopicRouter();
        var bound = new Dictionary<string, Binding>();
        for (int round = 0; round < 3000; round++)
        {
            string pattern = string.Join('.', Enumerable.Range(0, random.Next(1, 6)).Select(_ => words[random.Next(words.Length)]));
            if (bound.Remove(pattern, out Binding? old))
            {
                Assert.True(router.Remove(old));
            }
            else
            {
                bound.Add(pattern, router.Bind(new FakeQueue("<" + pattern + ">"), pattern));
            }

            string key = string.Join('.', Enumerable.Range(0, random.Next(0, 7)).Select(_ => words[random.Next(4)]));
            string expected = string.Join(",", bound.Keys.Where(candidate => Matches(candidate, key)).Select(match => "<" + match + ">").Order(StringComparer.Ordinal));
            Assert.Equal(expected, router.RouteNames(key));
        }
    }

    [Fact]
    public void A_match_among_100_000_bindings_looks_at_few_nodes()
    {
        var router = new TopicRouter();
        var random = new Random(3);
        for (int i = 0; i < 100_000; i++)
        {
            string key = random.Next(5) switch
            {
                0 => $"site.{i % 100}.device.{i}.status",
                1 => $"site.{i % 100}.*.{i}.#",
                2 => $"#.{i}.status",
                3 => $"*.*.*.{i}",
                _ => $"site.#.device.{i}.*",
            };
            router.Bind(new FakeQueue($"q{i}"), key);
        }

        Assert.Equal(100_000, router.Count);
        var result = new DestinationSet();
        int most = 0;
        for (int i = 0; i < 100_000; i += 37)
        {
            most = Math.Max(most, router.Match(Encoding.UTF8.GetBytes($"site.{i % 100}.device.{i}.status"), result));
            result.Clear();
        }

        Assert.InRange(most, 5, 40);
    }

    [Fact]
    public void Many_hashes_in_one_pattern_do_not_multiply()
    {
        var router = new TopicRouter();
        var queue = new FakeQueue("q");
        router.Bind(queue, string.Join('.', Enumerable.Repeat("#.a", 60)) + ".#");
        var result = new DestinationSet();

        int visits = router.Match(Encoding.UTF8.GetBytes(string.Join('.', Enumerable.Repeat("a", 59)) + ".b.b.b"), result);
        Assert.Equal(0, result.Count);
        Assert.InRange(visits, 60, 64 * 130 * 2);

        router.Match(Encoding.UTF8.GetBytes(string.Join('.', Enumerable.Repeat("a.b", 60))), result);
        Assert.True(result.Contains(queue));
    }

    [Fact]
    public void Unbinding_everything_leaves_an_empty_trie()
    {
        var router = new TopicRouter();
        var bindings = new List<Binding>();
        for (int i = 0; i < 2000; i++)
        {
            bindings.Add(router.Bind(new FakeQueue($"q{i}"), $"a.{i % 7}.#.{i}.*"));
        }

        for (int i = 0; i < bindings.Count; i++)
        {
            Assert.Equal($"q{i}", router.RouteNames($"a.{i % 7}.x.{i}.y"));
            Assert.True(router.Remove(bindings[i]));
        }

        Assert.Equal(2, router.Match("a.1.x.1.y"u8, new DestinationSet())); // the root, entered and followed
    }

    /// <summary>The textbook table: row p, column k says whether the first p pattern words match the first k key words.</summary>
    private static bool Matches(string pattern, string key)
    {
        string[] patternWords = pattern.Length == 0 ? [] : pattern.Split('.');
        string[] keyWords = key.Length == 0 ? [] : key.Split('.');
        var matches = new bool[patternWords.Length + 1, keyWords.Length + 1];
        matches[0, 0] = true;
        for (int p = 1; p <= patternWords.Length; p++)
        {
            string word = patternWords[p - 1];
            for (int k = 0; k <= keyWords.Length; k++)
            {
                matches[p, k] = word == "#"
                    ? matches[p - 1, k] || (k > 0 && matches[p, k - 1])
                    : k > 0 && matches[p - 1, k - 1] && (word == "*" || word == keyWords[k - 1]);
            }
        }

        return matches[patternWords.Length, keyWords.Length];
    }
}
