using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Storage;

namespace Sluice.Broker.Tests.Definitions;

public sealed class DefinitionCodecTests
{
    private static readonly Arguments Everything = Args(
        ("null", null),
        ("true", true),
        ("long", long.MinValue),
        ("double", 0.1),
        ("nan", double.NaN),
        ("text", "größe \"x\"\n"),
        ("bytes", new byte[] { 0, 0xff }),
        ("decimal", 1.50m),
        ("time", DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)),
        ("list", new object?[] { 1L, null, new object?[] { "a" }, Args(("$double", "not a tag")) }),
        ("table", Args(("$bytes", 1L), ("nested", Args()))));

    [Fact]
    public void A_queue_is_kept_as_this_text() => Golden(
        """{"v":1,"name":"q","durable":true,"autoDelete":true,"arguments":{"x-message-ttl":5,"x-queue-type":"quorum"},"logs":[7,-1]}""",
        DefinitionCodec.Encode(new QueueDefinition("q", true, false, true, Args(("x-queue-type", "quorum"), ("x-message-ttl", 5L))), [new LogId(7), new LogId(-1)]));

    [Fact]
    public void An_exchange_is_kept_as_this_text() => Golden(
        """{"v":1,"name":"x","type":"topic","durable":true,"internal":true,"arguments":{"alternate-exchange":"ae"}}""",
        DefinitionCodec.Encode(new ExchangeDefinition("x", "topic", true, false, true, Args(("alternate-exchange", "ae")))));

    [Fact]
    public void A_binding_is_kept_as_this_text() => Golden(
        """{"v":1,"source":"x","kind":"queue","destination":"q","routingKey":"k","arguments":{"bytes":{"$bytes":"AP8="},"decimal":{"$decimal":"1.50"},"double":{"$double":"0.1"},"list":[1,null,["a"],{"$table":{"$double":"not a tag"}}],"long":-9223372036854775808,"nan":{"$double":"NaN"},"null":null,"table":{"$table":{"$bytes":1,"nested":{"$table":{}}}},"text":"größe \"x\"\n","time":{"$time":1700000000000},"true":true}}""",
        DefinitionCodec.Encode(new BindingDefinition("x", DestinationKind.Queue, "q", "k", Everything)));

    [Fact]
    public void A_policy_is_kept_as_this_text() => Golden(
        """{"v":1,"name":"p","pattern":"^a<b>","applyTo":"queues","priority":-3,"operator":true,"settings":{"max-length":5}}""",
        DefinitionCodec.Encode(new PolicyDefinition("p", "^a<b>", "queues", -3, Args(("max-length", 5L)), true)));

    [Fact]
    public void Reading_gives_back_what_was_written()
    {
        var queue = new QueueDefinition("größe/1", false, true, false, Everything);
        var exchange = new ExchangeDefinition("", "x-delayed-message", false, true, false, Everything);
        var binding = new BindingDefinition("s", DestinationKind.Exchange, "d", "", Everything);
        var policy = new PolicyDefinition("p", ".*", "all", 7, Everything, false);
        (QueueDefinition decoded, IReadOnlyList<LogId> logs) = DefinitionCodec.DecodeQueue(DefinitionCodec.Encode(queue, [new LogId(5), new LogId(1L << 62)]));
        Assert.Equal(queue, decoded);
        Assert.Equal([new LogId(5), new LogId(1L << 62)], logs);
        Assert.Equal(exchange, DefinitionCodec.DecodeExchange(DefinitionCodec.Encode(exchange)));
        Assert.Equal(binding, DefinitionCodec.DecodeBinding(DefinitionCodec.Encode(binding)));
        Assert.Equal(policy, DefinitionCodec.DecodePolicy(DefinitionCodec.Encode(policy)));
    }

    [Fact]
    public void Deeply_nested_arguments_are_kept()
    {
        Arguments nested = Args();
        for (int i = 0; i < 200; i++)
        {
            nested = Args(("n", nested));
        }

        var binding = new BindingDefinition("s", DestinationKind.Queue, "d", "", nested);
        Assert.Equal(binding, DefinitionCodec.DecodeBinding(DefinitionCodec.Encode(binding)));
    }

    [Fact]
    public void Flags_and_tables_left_out_are_false_and_empty()
    {
        var plain = new QueueDefinition("q", false, false, false, Args());
        Assert.Equal("""{"v":1,"name":"q","logs":[3]}""", Encoding.UTF8.GetString(DefinitionCodec.Encode(plain, [new LogId(3)])));
        Assert.Equal(plain, DefinitionCodec.DecodeQueue(Bytes("""{"v":1,"name":"q","logs":[3]}""")).Definition);
        Assert.Equal(plain, DefinitionCodec.DecodeQueue(Bytes("""{"v":1,"name":"q","durable":false,"exclusive":false,"autoDelete":false,"arguments":{},"logs":[3]}""")).Definition);
    }

    [Fact]
    public void Fields_of_later_versions_are_skipped_and_later_versions_refused()
    {
        Assert.Equal("q", DefinitionCodec.DecodeQueue(Bytes("""{"v":1,"later":[1],"name":"q","durable":true,"exclusive":false,"autoDelete":false,"arguments":{},"logs":[]}""")).Definition.Name);
        Assert.Contains("version 2", Assert.Throws<StorageFormatException>(() => DefinitionCodec.DecodeQueue(Bytes("""{"v":2}"""))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"v":1,"name":"q","durable":true,"exclusive":false,"autoDelete":true,"arguments":{}}""")]
    [InlineData("{\"v\":1")]
    [InlineData("{\"v\":\"1\"}")]
    [InlineData("""{"v":1,"name":5,"durable":true,"exclusive":false,"autoDelete":true,"arguments":{},"logs":[]}""")]
    [InlineData("""{"v":1,"name":"q","durable":true,"exclusive":false,"autoDelete":true,"arguments":{"a":{"$what":1}},"logs":[]}""")]
    [InlineData("""{"v":1,"name":"q","durable":true,"exclusive":false,"autoDelete":true,"arguments":{"a":{}},"logs":[]}""")]
    [InlineData("""{"v":1,"name":"q","durable":true,"exclusive":false,"autoDelete":true,"arguments":{"a":1.5},"logs":[]}""")]
    public void What_is_no_definition_is_refused(string text) =>
        Assert.Throws<StorageFormatException>(() => DefinitionCodec.DecodeQueue(Bytes(text)));

    [Fact]
    public void Keys_hold_names_apart()
    {
        Assert.Equal("vhosts/%2F", MetadataKeys.VirtualHost("/"));
        Assert.Equal("a/b%c\n", MetadataKeys.ReadVirtualHost(MetadataKeys.VirtualHost("a/b%c\n")));
        Assert.StartsWith(MetadataKeys.AllOf("/"), MetadataKeys.Queue("/", "q"), StringComparison.Ordinal);
        Assert.Equal("vhost/%2F/queue/a%2Fb%25c", MetadataKeys.Queue("/", "a/b%c"));
        Assert.Equal("vhost/v/exchange/größe", MetadataKeys.Exchange("v", "größe"));
        Assert.Equal("vhost/v/policy/user/p", MetadataKeys.Policy("v", "p", isOperator: false));
        Assert.Equal("vhost/v/policy/operator/p", MetadataKeys.Policy("v", "p", isOperator: true));
        Assert.Equal("a%0A%7F", MetadataKeys.Escape("a\n\x7f"));

        string plain = MetadataKeys.Binding("v", "x", DestinationKind.Queue, "q", "a.#", Args());
        Assert.Equal("vhost/v/binding/x/q/q/a.#/-", plain);
        Assert.StartsWith(MetadataKeys.Bindings("v", "x"), plain, StringComparison.Ordinal);
        string withArguments = MetadataKeys.Binding("v", "x", DestinationKind.Queue, "q", "a.#", Args(("b", 1L), ("a", 2L)));
        Assert.Equal(withArguments, MetadataKeys.Binding("v", "x", DestinationKind.Queue, "q", "a.#", Args(("a", 2L), ("b", 1L))));
        Assert.NotEqual(withArguments, MetadataKeys.Binding("v", "x", DestinationKind.Queue, "q", "a.#", Args(("a", 2L), ("b", 2L))));
        Assert.NotEqual(plain, MetadataKeys.Binding("v", "x", DestinationKind.Exchange, "q", "a.#", Args()));
    }

    private static void Golden(string expected, byte[] encoded) => Assert.Equal(expected, Encoding.UTF8.GetString(encoded));

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static Arguments Args(params (string Name, object? Value)[] arguments) => new(arguments.ToDictionary(a => a.Name, a => a.Value));
}
