using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class HeadersRouterTests
{
    private readonly HeadersRouter _router = new();
    private readonly FakeQueue _queue = new("q");

    [Fact]
    public void All_asks_for_every_pair_and_is_the_default()
    {
        _router.Bind(_queue, "", ("a", "1"), ("b", "2"));
        Assert.Equal("q", Route(("b", "2"), ("a", "1"), ("c", "3")));
        Assert.Equal("", Route(("a", "1")));
        Assert.Equal("", Route(("b", "2")));
        Assert.Equal("", Route(("a", "1"), ("b", "3")));
        Assert.Equal("", Route());
        Assert.Equal("", _router.RouteNames("", headers: null));
    }

    [Fact]
    public void Any_asks_for_one_pair()
    {
        _router.Bind(_queue, "", ("x-match", "any"), ("a", "1"), ("b", "2"));
        Assert.Equal("q", Route(("a", "1")));
        Assert.Equal("q", Route(("b", "2")));
        Assert.Equal("q", Route(("a", "1"), ("b", "2")));
        Assert.Equal("", Route(("a", "2"), ("b", "1")));
        Assert.Equal("", Route());
    }

    [Fact]
    public void Names_with_x_count_only_with_x()
    {
        _router.Bind(new FakeQueue("all"), "", ("x-match", "all"), ("a", "1"), ("x-b", "2"));
        _router.Bind(new FakeQueue("all-with-x"), "", ("x-match", "all-with-x"), ("a", "1"), ("x-b", "2"));
        _router.Bind(new FakeQueue("any"), "", ("x-match", "any"), ("a", "1"), ("x-b", "2"));
        _router.Bind(new FakeQueue("any-with-x"), "", ("x-match", "any-with-x"), ("a", "1"), ("x-b", "2"));
        Assert.Equal("all,any,any-with-x", Route(("a", "1")));
        Assert.Equal("any-with-x", Route(("x-b", "2")));
        Assert.Equal("all,all-with-x,any,any-with-x", Route(("a", "1"), ("x-b", "2")));
    }

    [Fact]
    public void A_void_value_asks_for_presence()
    {
        _router.Bind(new FakeQueue("all"), "", ("a", null));
        _router.Bind(new FakeQueue("any"), "", ("x-match", "any"), ("a", null), ("b", "1"));
        _router.Bind(new FakeQueue("both"), "", ("a", null), ("b", "1"));
        Assert.Equal("all,any", Route(("a", "whatever")));
        Assert.Equal("all,any", Route(("a", null)));
        Assert.Equal("all,any,both", Route(("a", new object()), ("b", "1")));
        Assert.Equal("any", Route(("b", "1")));
    }

    [Fact]
    public void All_of_nothing_matches_and_any_of_nothing_does_not()
    {
        _router.Bind(new FakeQueue("all"), "", ("x-match", "all"));
        _router.Bind(new FakeQueue("any"), "", ("x-match", "any"));
        _router.Bind(new FakeQueue("only-x"), "", ("x-only", "1"));
        Assert.Equal("all,only-x", Route());
        Assert.Equal("all,only-x", Route(("a", 1)));
        Assert.Equal("all,only-x", _router.RouteNames("", headers: null));
    }

    [Fact]
    public void Values_of_different_kinds_differ_and_integers_compare_by_value()
    {
        _router.Bind(new FakeQueue("integer"), "", ("a", 1L));
        _router.Bind(new FakeQueue("double"), "", ("a", 1.0));
        _router.Bind(new FakeQueue("string"), "", ("a", "1"));
        _router.Bind(new FakeQueue("true"), "", ("a", true));
        _router.Bind(new FakeQueue("false"), "", ("a", false));
        _router.Bind(new FakeQueue("bytes"), "", ("a", new byte[] { 0xff, 0x31 }));
        Assert.Equal("integer", Route(("a", 1)));
        Assert.Equal("double", Route(("a", 1.0)));
        Assert.Equal("string", Route(("a", "1")));
        Assert.Equal("true", Route(("a", true)));
        Assert.Equal("false", Route(("a", false)));
        Assert.Equal("", Route(("a", 2)));
        Assert.Equal("", Route(("a", new object())));
        Assert.Equal("", Route(("a", null)));
    }

    [Fact]
    public void Only_what_is_unbound_stops()
    {
        Binding all = _router.Bind(new FakeQueue("all"), "", ("a", "1"));
        Binding any = _router.Bind(new FakeQueue("any"), "", ("x-match", "any"), ("a", "1"), ("b", null));
        Binding every = _router.Bind(new FakeQueue("every"), "");
        Assert.True(_router.Remove(any));
        Assert.Equal("all,every", Route(("a", "1"), ("b", "1")));
        Assert.True(_router.Remove(every));
        Assert.Equal("all", Route(("a", "1"), ("b", "1")));
        Assert.True(_router.Remove(all));
        Assert.Equal("", Route(("a", "1"), ("b", "1")));
    }

    private string Route(params (string Name, object? Value)[] headers) => _router.RouteNames("", new FakeHeaders(headers));
}
