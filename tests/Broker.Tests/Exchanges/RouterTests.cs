using System.Text;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class RouterTests
{
    private readonly FakeQueue _a = new("a");
    private readonly FakeQueue _b = new("b");

    [Fact]
    public void Direct_matches_the_whole_key()
    {
        var router = new DirectRouter();
        router.Bind(_a, "k");
        router.Bind(_b, "k");
        router.Bind(_b, "");
        router.Bind(_a, "ключ");
        Assert.Equal("a,b", router.RouteNames("k"));
        Assert.Equal("b", router.RouteNames(""));
        Assert.Equal("a", router.RouteNames("ключ"));
        Assert.Equal("", router.RouteNames("K"));
        Assert.Equal("", router.RouteNames("kk"));
    }

    [Fact]
    public void Fanout_matches_all_and_each_destination_once()
    {
        var router = new FanoutRouter();
        router.Bind(_a, "1");
        router.Bind(_a, "2");
        router.Bind(_b);
        Assert.Equal("a,b", router.RouteNames("anything"));
    }

    [Theory]
    [InlineData(ExchangeTypes.Direct, "k")]
    [InlineData(ExchangeTypes.Fanout, "k")]
    [InlineData(ExchangeTypes.Topic, "k.*.#")]
    [InlineData(ExchangeTypes.Headers, "k")]
    [InlineData(ExchangeTypes.ConsistentHash, "1")]
    public void Bindings_are_added_and_removed_once(string type, string key)
    {
        ExchangeRouter router = ExchangeTypes.Create(new("x", type, true, false, false, RouterExtensions.Args())).Router;
        var binding = new Binding(_a, key, RouterExtensions.Args());
        var same = new Binding(_a, new string(key.ToCharArray()), RouterExtensions.Args());
        var otherArguments = new Binding(_a, key, RouterExtensions.Args(("n", 1L)));
        Assert.True(router.Add(binding));
        Assert.False(router.Add(same));
        Assert.True(router.Add(otherArguments));
        Assert.True(router.Add(new Binding(_b, key, RouterExtensions.Args())));
        Assert.Equal(3, router.Count);
        Assert.Equal(3, router.Bindings.Count);

        Assert.True(router.Remove(same));
        Assert.False(router.Remove(same));
        Assert.Equal(2, router.Count);
        Assert.Equal([otherArguments], router.RemoveDestination(_a));
        Assert.Empty(router.RemoveDestination(_a));
        Assert.Single(router.RemoveDestination(_b));
        Assert.Equal(0, router.Count);
        Assert.Empty(router.Bindings);
        Assert.Equal("", router.RouteNames("k"));
        Assert.True(router.Add(binding));
    }

    [Fact]
    public void A_destination_bound_twice_by_one_key_stays_until_both_bindings_go()
    {
        var router = new DirectRouter();
        Binding first = router.Bind(_a, "k");
        Binding second = router.Bind(_a, "k", ("x", 1L));
        Assert.True(router.Remove(first));
        Assert.Equal("a", router.RouteNames("k"));
        Assert.True(router.Remove(second));
        Assert.Equal("", router.RouteNames("k"));
    }

    [Theory]
    [InlineData(ExchangeTypes.Direct)]
    [InlineData(ExchangeTypes.Fanout)]
    [InlineData(ExchangeTypes.Topic)]
    public void Routing_goes_on_while_bindings_change(string type)
    {
        ExchangeRouter router = ExchangeTypes.Create(new("x", type, true, false, false, RouterExtensions.Args())).Router;
        router.Bind(_a, "stays.here");
        using var stop = new CancellationTokenSource();
        long routed = 0;
        Exception? fault = null;
        var readers = new Thread[2];
        for (int i = 0; i < readers.Length; i++)
        {
            readers[i] = new Thread(() =>
            {
                var set = new DestinationSet();
                byte[] key = Encoding.UTF8.GetBytes("stays.here");
                while (!stop.IsCancellationRequested && fault is null)
                {
                    try
                    {
                        router.Route(new RoutingInput { RoutingKey = key }, set);
                        Assert.True(set.Contains(_a));
                        set.Clear();
                        Interlocked.Increment(ref routed);
                    }
                    catch (Exception e)
                    {
                        fault = e;
                    }
                }
            });
            readers[i].Start();
        }

        var random = new Random(11);
        var kept = new List<Binding>();
        for (int i = 0; i < 30_000 || (Interlocked.Read(ref routed) < 1000 && fault is null); i++)
        {
            if (kept.Count > 500 || (kept.Count > 0 && random.Next(3) == 0))
            {
                int at = random.Next(kept.Count);
                Assert.True(router.Remove(kept[at]));
                kept[at] = kept[^1];
                kept.RemoveAt(kept.Count - 1);
            }
            else
            {
                kept.Add(router.Bind(new FakeQueue($"q{i}"), random.Next(4) switch { 0 => "stays.here", 1 => "stays.*", 2 => "#.here", _ => $"k{i}.here" }));
            }
        }

        stop.Cancel();
        foreach (Thread reader in readers)
        {
            reader.Join();
        }

        Assert.Null(fault);
        Assert.Equal(kept.Count + 1, router.Count);
    }

    [Theory]
    [InlineData(ExchangeTypes.Direct)]
    [InlineData(ExchangeTypes.Fanout)]
    [InlineData(ExchangeTypes.Topic)]
    [InlineData(ExchangeTypes.Headers)]
    [InlineData(ExchangeTypes.ConsistentHash)]
    public void Routing_does_not_allocate(string type)
    {
        ExchangeRouter router = ExchangeTypes.Create(new("x", type, true, false, false, RouterExtensions.Args())).Router;
        for (int i = 0; i < 100; i++)
        {
            var queue = new FakeQueue($"q{i}");
            if (type == ExchangeTypes.ConsistentHash)
            {
                router.Bind(queue, "1");
            }
            else
            {
                router.Bind(queue, "a.b.c", ("h", 1L));
                router.Bind(queue, "a.#", ("h", 1L), ("g", 2.5));
                router.Bind(queue, $"#.c{i}.#", ("x-match", "any"), ("s", "t"));
            }
        }

        var set = new DestinationSet();
        var headers = new PlainHeaders();
        long before = 0;
        for (int i = 0; i < 100; i++)
        {
            if (i == 10)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            router.Route(new RoutingInput { RoutingKey = "a.b.c"u8, Headers = headers }, set);
            if (set.Count == 0)
            {
                Assert.Fail("Nothing matched.");
            }

            set.Clear();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private sealed class PlainHeaders : IMessageHeaders
    {
        public int Count => 2;

        public bool TryGet(ReadOnlySpan<byte> name, out HeaderValue value)
        {
            value = name.SequenceEqual("s"u8)
                ? new HeaderValue { Kind = HeaderKind.Bytes, Bytes = "t"u8 }
                : new HeaderValue { Kind = HeaderKind.Integer, Integer = 1 };
            return name.Length == 1;
        }
    }
}
