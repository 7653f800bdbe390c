using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class ConsistentHashRouterTests
{
    private static readonly FakeQueue[] Queues = [.. Enumerable.Range(0, 5).Select(i => new FakeQueue($"q{i}"))];

    [Fact]
    public void Shares_follow_the_weights()
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args());
        router.Bind(Queues[0], "1");
        router.Bind(Queues[1], "1");
        router.Bind(Queues[2], "2");
        Dictionary<string, int> counts = Enumerable.Range(0, 40_000).GroupBy(i => router.RouteNames($"key{i}")).ToDictionary(g => g.Key, g => g.Count());
        Assert.InRange(counts["q0"], 8_000, 12_000);
        Assert.InRange(counts["q1"], 8_000, 12_000);
        Assert.InRange(counts["q2"], 16_000, 24_000);
    }

    [Fact]
    public void A_destination_that_goes_moves_only_its_own_messages_and_gets_them_back()
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args());
        Binding[] bindings = [.. Queues.Select(queue => router.Bind(queue, "3"))];
        string[] before = RouteMany(router);
        Assert.True(router.Remove(bindings[2]));
        string[] without = RouteMany(router);
        for (int i = 0; i < before.Length; i++)
        {
            Assert.Equal(before[i] == "q2", before[i] != without[i]);
        }

        Assert.True(router.Add(bindings[2]));
        Assert.Equal(before, RouteMany(router));
    }

    [Fact]
    public void The_order_of_binding_does_not_count()
    {
        var one = new ConsistentHashRouter(RouterExtensions.Args());
        var other = new ConsistentHashRouter(RouterExtensions.Args());
        foreach (FakeQueue queue in Queues)
        {
            one.Bind(queue, "2");
        }

        foreach (FakeQueue queue in Queues.Reverse())
        {
            other.Bind(queue, "2");
        }

        Assert.Equal(RouteMany(one), RouteMany(other));
    }

    [Fact]
    public void Hashes_never_change() // Golden: an upgrade must not move messages between queues.
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args());
        foreach (FakeQueue queue in Queues)
        {
            router.Bind(queue, "1");
        }

        Assert.Equal("2334120243204430", string.Concat(Enumerable.Range(0, 16).Select(i => router.RouteNames($"key{i}")[1..])));
    }

    [Fact]
    public void Two_bindings_of_one_destination_add_up()
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args());
        var reference = new ConsistentHashRouter(RouterExtensions.Args());
        router.Bind(Queues[0], "1");
        Binding second = router.Bind(Queues[0], "2");
        router.Bind(Queues[1], "1");
        reference.Bind(Queues[0], "3");
        reference.Bind(Queues[1], "1");
        Assert.Equal(RouteMany(reference), RouteMany(router));
        router.Remove(second);
        reference.RemoveDestination(Queues[0]);
        reference.Bind(Queues[0], "1");
        Assert.Equal(RouteMany(reference), RouteMany(router));
    }

    [Fact]
    public void Hashes_a_header_when_asked()
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args(("hash-header", "user")));
        foreach (FakeQueue queue in Queues)
        {
            router.Bind(queue, "1");
        }

        string[] byUser = [.. Enumerable.Range(0, 100).Select(i => router.RouteNames($"k{i}", new FakeHeaders(("user", "u" + i))))];
        Assert.Equal(5, byUser.Distinct().Count());
        Assert.Equal(byUser[7], router.RouteNames("other", new FakeHeaders(("user", "u7"))));
        Assert.Single(Enumerable.Range(0, 100).Select(i => router.RouteNames($"k{i}")).Distinct());
        Assert.Equal(5, Enumerable.Range(0, 100).Select(i => router.RouteNames("k", new FakeHeaders(("user", i)))).Distinct().Count());
    }

    [Fact]
    public void Hashes_a_property_when_asked()
    {
        var router = new ConsistentHashRouter(RouterExtensions.Args(("hash-property", "message_id")));
        foreach (FakeQueue queue in Queues)
        {
            router.Bind(queue, "1");
        }

        var reader = new FakePropertiesReader();
        var owners = new HashSet<string>();
        for (int i = 0; i < 100; i++)
        {
            var result = new DestinationSet();
            router.Route(new RoutingInput { RoutingKey = "k"u8, Properties = Encoding.UTF8.GetBytes($"id{i}"), PropertiesReader = reader }, result);
            owners.Add(Assert.Single(result.Items.ToArray()).Name);
        }

        Assert.Equal(5, owners.Count);
        Assert.Single(Enumerable.Range(0, 50).Select(i => router.RouteNames($"k{i}")).Distinct());
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("1000", true)]
    [InlineData("0", false)]
    [InlineData("1001", false)]
    [InlineData("-1", false)]
    [InlineData(" 1", false)]
    [InlineData("", false)]
    [InlineData("a", false)]
    [InlineData("99999999999999999999", false)]
    public void Weights_are_checked(string key, bool valid)
    {
        var definition = new ExchangeDefinition("x", ExchangeTypes.ConsistentHash, true, false, false, RouterExtensions.Args());
        Assert.Equal(valid, ExchangeTypes.CheckBinding(definition, key, RouterExtensions.Args()).IsOk);
    }

    private static string[] RouteMany(ConsistentHashRouter router) => [.. Enumerable.Range(0, 2000).Select(i => router.RouteNames($"key{i}"))];
}
