using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;

namespace Sluice.Broker.Tests.Exchanges;

public sealed class RoutingTests : IRoutingTable
{
    private readonly Dictionary<string, Exchange> _exchanges = [];
    private readonly Dictionary<string, FakeQueue> _queues = [];

    public Exchange? FindExchange(string name) => _exchanges.GetValueOrDefault(name);

    public IDestination? FindQueue(ReadOnlySpan<byte> name) => _queues.GetValueOrDefault(Encoding.UTF8.GetString(name));

    [Fact]
    public void The_default_exchange_routes_to_the_queue_named()
    {
        Exchange start = Declare("", ExchangeTypes.Direct);
        Queue("q");
        Assert.Equal("q", Collect(start, "q"));
        Assert.Equal("", Collect(start, "p"));
        Assert.Equal("q", Collect(start, "p", ["q"]));
    }

    [Fact]
    public void Follows_bindings_between_exchanges_and_ends_in_cycles()
    {
        Exchange a = Declare("a", ExchangeTypes.Fanout);
        Exchange b = Declare("b", ExchangeTypes.Topic);
        Exchange c = Declare("c", ExchangeTypes.Direct);
        a.Router.Bind(b);
        b.Router.Bind(c, "k.#");
        c.Router.Bind(a, "k");
        a.Router.Bind(Queue("qa"));
        b.Router.Bind(Queue("qb"), "*");
        c.Router.Bind(Queue("qc"), "k");
        Assert.Equal("qa,qb,qc", Collect(a, "k"));
        Assert.Equal("qa,qb,qc", Collect(c, "k"));
        Assert.Equal("qa,qb", Collect(a, "z"));
    }

    [Fact]
    public void An_exchange_that_matches_nothing_uses_its_alternate_exchange()
    {
        Exchange start = Declare("start", ExchangeTypes.Direct, ("alternate-exchange", "second"));
        Declare("second", ExchangeTypes.Direct, ("alternate-exchange", "third")).Router.Bind(Queue("q2"), "two");
        Declare("third", ExchangeTypes.Fanout, ("alternate-exchange", "start")).Router.Bind(Queue("q3"));
        start.Router.Bind(Queue("q1"), "one");
        Assert.Equal("q1", Collect(start, "one"));
        Assert.Equal("q2", Collect(start, "two"));
        Assert.Equal("q3", Collect(start, "three"));
        Assert.Equal("q1", Collect(start, "three", ["one"]));
    }

    [Fact]
    public void An_alternate_exchange_counts_also_for_an_exchange_reached_on_the_way()
    {
        Exchange start = Declare("start", ExchangeTypes.Fanout);
        Exchange middle = Declare("middle", ExchangeTypes.Direct, ("alternate-exchange", "spare"));
        Declare("spare", ExchangeTypes.Fanout).Router.Bind(Queue("spare"));
        start.Router.Bind(middle);
        start.Router.Bind(Queue("q"));
        middle.Router.Bind(Queue("m"), "m");
        Assert.Equal("q,spare", Collect(start, "k"));
        Assert.Equal("m,q", Collect(start, "m"));
    }

    [Fact]
    public void Finding_only_what_was_found_before_is_still_a_match()
    {
        Exchange start = Declare("start", ExchangeTypes.Fanout);
        Exchange middle = Declare("middle", ExchangeTypes.Fanout, ("alternate-exchange", "spare"));
        Declare("spare", ExchangeTypes.Fanout).Router.Bind(Queue("spare"));
        start.Router.Bind(Queue("q"));
        start.Router.Bind(middle);
        middle.Router.Bind(_queues["q"]);
        Assert.Equal("q", Collect(start, "k"));
    }

    [Fact]
    public void Alternates_that_lead_in_a_circle_or_nowhere_end()
    {
        Exchange one = Declare("one", ExchangeTypes.Direct, ("alternate-exchange", "two"));
        Declare("two", ExchangeTypes.Direct, ("alternate-exchange", "one"));
        Assert.Equal("", Collect(one, "k"));
        Assert.Equal("", Collect(Declare("self", ExchangeTypes.Direct, ("alternate-exchange", "self")), "k"));
        Assert.Equal("", Collect(Declare("lost", ExchangeTypes.Direct, ("alternate-exchange", "absent")), "k"));
    }

    [Fact]
    public void An_alternate_may_be_the_default_exchange()
    {
        Declare("", ExchangeTypes.Direct);
        Queue("q");
        Assert.Equal("q", Collect(Declare("x", ExchangeTypes.Direct, ("alternate-exchange", "")), "q"));
    }

    [Fact]
    public void A_policy_gives_an_alternate_exchange_unless_an_argument_does()
    {
        var policy = new PolicyDefinition("p", ".*", "exchanges", 0, RouterExtensions.Args(("alternate-exchange", "byPolicy")), IsOperator: false);
        Exchange with = Declare("with", ExchangeTypes.Direct, ("alternate-exchange", "byArgument"));
        Exchange without = Declare("without", ExchangeTypes.Direct);
        with.ApplyPolicy(policy);
        without.ApplyPolicy(policy);
        Assert.Equal("byArgument", with.AlternateExchange);
        Assert.Equal("byPolicy", without.AlternateExchange);
        without.ApplyPolicy(null);
        Assert.Null(without.AlternateExchange);
    }

    [Fact]
    public void A_delayed_exchange_takes_what_is_to_wait_and_routes_the_rest()
    {
        Exchange start = Declare("start", ExchangeTypes.Fanout);
        Exchange delayed = Declare("delayed", ExchangeTypes.Delayed, ("x-delayed-type", "topic"));
        start.Router.Bind(delayed);
        start.Router.Bind(Queue("now"));
        delayed.Router.Bind(Queue("later"), "a.#");
        Assert.Equal("delayed,now", Collect(start, "a.b", isDelayed: true));
        Assert.Equal("later,now", Collect(start, "a.b"));
        Assert.Equal("delayed", Collect(delayed, "a.b", isDelayed: true));
        Assert.Equal("later", Collect(delayed, "a.b"));
    }

    [Fact]
    public void A_result_says_whether_the_key_alone_led_to_it()
    {
        Exchange plain = Declare("plain", ExchangeTypes.Fanout);
        Exchange delayed = Declare("delayed", ExchangeTypes.Delayed, ("x-delayed-type", "fanout"));
        Exchange headers = Declare("headers", ExchangeTypes.Headers);
        Exchange mixed = Declare("mixed", ExchangeTypes.Direct);
        plain.Router.Bind(Queue("q"));
        mixed.Router.Bind(_queues["q"], "d");
        mixed.Router.Bind(delayed, "d");
        mixed.Router.Bind(headers, "h");
        Assert.True(DependsOnKeyOnly(plain, "d", isDelayed: true));
        Assert.False(DependsOnKeyOnly(delayed, "d", isDelayed: true));
        Assert.False(DependsOnKeyOnly(delayed, "d", isDelayed: false));
        Assert.False(DependsOnKeyOnly(mixed, "d", isDelayed: true));
        Assert.False(DependsOnKeyOnly(mixed, "d", isDelayed: false));
        Assert.False(DependsOnKeyOnly(mixed, "h", isDelayed: false));
        Assert.True(DependsOnKeyOnly(mixed, "z", isDelayed: true));

        bool DependsOnKeyOnly(Exchange start, string key, bool isDelayed)
        {
            var result = new DestinationSet();
            Routing.Collect(this, start, new RoutingInput { RoutingKey = Encoding.UTF8.GetBytes(key), IsDelayed = isDelayed }, result);
            return result.DependsOnKeyOnly;
        }
    }

    [Fact]
    public void Keys_of_copies_reach_each_queue_once()
    {
        Exchange start = Declare("start", ExchangeTypes.Topic);
        start.Router.Bind(Queue("q1"), "a.#");
        start.Router.Bind(Queue("q2"), "b.#");
        Assert.Equal("q1,q2", Collect(start, "a.x", ["b.x", "a.y"]));
    }

    private string Collect(Exchange start, string key, string[]? more = null, bool isDelayed = false)
    {
        var result = new DestinationSet();
        Routing.Collect(
            this,
            start,
            new RoutingInput { RoutingKey = Encoding.UTF8.GetBytes(key), ExtraRoutingKeys = more?.Select(Encoding.UTF8.GetBytes).ToArray(), IsDelayed = isDelayed },
            result);
        return RouterExtensions.Names(result);
    }

    private Exchange Declare(string name, string type, params (string Name, object? Value)[] arguments)
    {
        var definition = new ExchangeDefinition(name, type, true, false, false, RouterExtensions.Args(arguments));
        Assert.True(ExchangeTypes.Check(definition, "/").IsOk);
        return _exchanges[name] = ExchangeTypes.Create(definition);
    }

    private FakeQueue Queue(string name) => _queues[name] = new FakeQueue(name);
}
