using System.Text.Json.Nodes;
using Sluice.Client.Tests.Support;

namespace Sluice.Client.Tests.Live;

/// <summary>The verbs of the sluice command that use the client.</summary>
public sealed class CommandTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    [Fact]
    public async Task Records_are_published_and_consumed()
    {
        string topic = broker.NewName("commands");
        await Administration.CreateTopicAsync(broker.Address, topic, 2);
        Assert.Equal("1 published and acknowledged.\n", await OkAsync("", "publish", "--kafka", topic, "hello", "--key", "k", "--header", "n=1", "--partition", "1"));
        Assert.Equal("3 published and acknowledged.\n", await OkAsync("a:1\nb:2\nc:3\n", "publish", "--kafka", topic, "--lines", "--key-separator", ":", "--acks", "1", "--compression", "gzip", "--partition", "0"));
        Assert.Equal("1\n2\n3\n", await OkAsync("", "consume", "--kafka", topic, "--offset", "first", "--partition", "0", "--count", "3"));
        Assert.Equal("3\n", await OkAsync("", "consume", "--kafka", topic, "--offset", "2", "--partition", "0", "--count", "1"));
        Assert.Equal($"{topic}/1@0 k=hello [n=1]\n", await OkAsync("", "consume", "--kafka", topic, "--time", "2020-01-01", "--partition", "1", "--count", "1", "--format", "{topic}/{partition}@{offset} {key}={value} [{headers}]\\n"));
        JsonNode json = JsonNode.Parse(await OkAsync("", "consume", "--kafka", topic, "--offset", "first", "--partition", "1", "--count", "1", "--json"))!;
        Assert.Equal(("k", "hello", 0), (json["key"]!.ToString(), json["value"]!.ToString(), json["offset"]!.GetValue<int>()));
        Assert.Contains("key 'k', 5 bytes\n  n: 1\nhello\n", await OkAsync("", "consume", "--kafka", topic, "--offset", "first", "--partition", "1", "--count", "1", "--verbose"));
    }

    [Fact]
    public async Task A_group_goes_on_and_a_look_does_not_move_it()
    {
        string topic = broker.NewName("commands-group");
        string group = broker.NewName("group");
        await OkAsync("1\n2\n3\n", "publish", "--kafka", topic, "--lines");
        Assert.Equal("1\n", await OkAsync("", "consume", "--kafka", topic, "--group", group, "--offset", "first", "--count", "1", "--peek"));
        Assert.Equal("1\n2\n", await OkAsync("", "consume", "--kafka", topic, "--group", group, "--offset", "first", "--count", "2"));
        Assert.Equal("3\n", await OkAsync("", "consume", "--kafka", topic, "--group", group, "--wait", "2"));
    }

    [Theory]
    [InlineData("--exchange is not for Kafka", "publish", "--kafka", "t", "x", "--exchange", "e")]
    [InlineData("--kafka needs a value", "publish", "--kafka", "--key", "k", "x")]
    [InlineData("--acks is for Kafka", "publish", "q", "x", "--acks", "1")]
    [InlineData("'y' is one argument too many", "publish", "--kafka", "t", "x", "y")]
    [InlineData("needs the argument <key>", "publish")]
    [InlineData("needs the argument <queue>", "consume")]
    [InlineData("--acks cannot be '2'", "publish", "--kafka", "t", "x", "--acks", "2")]
    [InlineData("--offset cannot be 'last'", "consume", "--kafka", "errors", "--offset", "last")]
    [InlineData("'nosuch' was not there for 1 s", "consume", "--kafka", "nosuch", "--wait", "1")]
    [InlineData("It is made by 'sluice publish --kafka nosuch MESSAGE'", "consume", "--kafka", "nosuch", "--wait", "1")]
    [InlineData("--offset 99: the log does not reach there", "consume", "--kafka", "errors", "--offset", "99", "--wait", "20", "--count", "1")]
    [InlineData("A record was not acknowledged: ", "publish", "--kafka", "__consumer_offsets", "x")]
    [InlineData("'__consumer_offsets' is one of the broker's own topics, which take no records of clients.", "publish", "--kafka", "__consumer_offsets", "x")]
    [InlineData("Nothing came; no more within 1 s.", "consume", "--kafka", "errors", "--count", "1", "--wait", "1")]
    [InlineData("InvalidTopicException: a topic's name has 1 to 249 letters", "publish", "--kafka", "a b", "x")]
    [InlineData("in-flight is 1 to 5", "bench", "kafka", "--in-flight", "9")]
    [InlineData("--tls is for Kafka", "publish", "q", "x", "--tls")]
    [InlineData("--sasl is for Kafka", "consume", "q", "--sasl", "PLAIN")]
    [InlineData("--sasl cannot be 'GSSAPI': PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER is expected", "publish", "--kafka", "t", "x", "--sasl", "GSSAPI")]
    [InlineData("--user is not for OAUTHBEARER", "bench", "kafka", "--sasl", "oauthbearer", "--token-file", "t", "--user", "ada")]
    [InlineData("--sasl OAUTHBEARER needs --token-file", "consume", "--kafka", "errors", "--sasl", "OAUTHBEARER")]
    [InlineData("--token-file is for --sasl OAUTHBEARER", "publish", "--kafka", "t", "x", "--sasl", "PLAIN", "--token-file", "t")]
    [InlineData("--ca-file 'nosuch' cannot be read", "bench", "kafka", "--ca-file", "nosuch")]
    [InlineData("--partition is not for --group", "consume", "--kafka", "errors", "--group", "g", "--partition", "1")]
    public async Task What_makes_no_sense_is_refused(string expected, params string[] arguments)
    {
        await OkAsync("", "publish", "--kafka", "errors", "x");
        (int code, _, string error) = await SluiceProgram.RunAsync("", ToBroker(arguments));
        Assert.Equal(1, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public async Task Who_does_not_find_a_broker_is_told_what_to_do()
    {
        (int code, _, string error) = await SluiceProgram.RunAsync("", "consume", "--kafka=t", "--wait", "1", "--bootstrap-server", "127.0.0.1:1");
        Assert.Equal(1, code);
        Assert.Contains("could not be reached", error);
        Assert.Contains("Start a broker with 'sluice serve', or say where one has its Kafka listener with --bootstrap-server.", error);
        Assert.DoesNotContain("--user", error);
    }

    [Theory]
    [InlineData("publish", "--kafka", "t", "x")]
    [InlineData("consume", "--kafka", "t")]
    [InlineData("consume", "--kafka", "t", "--group", "g")]
    [InlineData("bench", "kafka", "--records", "1")]
    [InlineData("topic", "create", "t")]
    [InlineData("acl", "list")]
    public async Task Where_nothing_listens_the_first_refusal_is_the_answer(params string[] verb)
    {
        (int code, string output, string error) = await SluiceProgram.RunAsync("", [.. verb, "--bootstrap-server", "127.0.0.1:1"]);
        Assert.Equal((1, ""), (code, output));
        Assert.Equal("sluice: The broker 127.0.0.1:1 could not be reached: Connection refused. Start a broker with 'sluice serve', or say where one has its Kafka listener with --bootstrap-server.\n", error);
    }

    [Theory]
    [InlineData("publish", "--kafka", "--help")]
    [InlineData("consume", "--kafka", "-h")]
    [InlineData("bench", "kafka", "--help")]
    [InlineData("topic", "create", "--config", "--help")]
    public async Task Help_is_never_a_value(params string[] arguments) => Assert.Contains("Usage:", await SluiceProgram.OkAsync("", arguments));

    [Fact]
    public async Task The_environment_says_where_the_broker_is()
    {
        Assert.SkipUnless(broker.AdminPort > 0, "the broker is none that this command manages");
        string topic = broker.NewName("environment");
        var environment = new Dictionary<string, string> { ["SLUICE_BOOTSTRAP_SERVER"] = broker.Address, ["SLUICE_ADMIN_PORT"] = $"{broker.AdminPort}", ["SLUICE_PORT"] = "1" };
        Assert.Equal((0, "1 published and acknowledged.\n", ""), await SluiceProgram.Start(environment, "publish", "--kafka", topic, "x").EndAsync());
        (int code, string output, _) = await SluiceProgram.Start(environment, "topic", "list").EndAsync();
        Assert.Equal(0, code);
        Assert.Contains(topic, output);
        Assert.Contains("127.0.0.1:1 ", (await SluiceProgram.Start(environment, "purge", topic).EndAsync()).Error);

        // What is typed counts more.
        Assert.Contains("The broker localhost.invalid:9092 could not be reached", (await SluiceProgram.Start(environment, "publish", "--kafka", topic, "x", "--host", "localhost.invalid").EndAsync()).Error);
        environment["SLUICE_ADMIN_PORT"] = "http";
        Assert.Equal((1, "", "sluice: the variable SLUICE_ADMIN_PORT of the environment is a whole number, not 'http'. See 'sluice topic list --help'.\n"), await SluiceProgram.Start(environment, "topic", "list").EndAsync());
    }

    [Fact]
    public async Task The_load_generator_produces_and_consumes()
    {
        string topic = broker.NewName("load");
        await Administration.CreateTopicAsync(broker.Address, topic, 3);
        JsonNode both = JsonNode.Parse(await OkAsync("", "bench", "kafka", "--topic", topic, "--records", "20000", "--size", "100", "--producers", "2", "--consumers", "2", "--json"))!;
        Assert.Equal((20000, 20000), (both["produced"]!.GetValue<int>(), both["consumed"]!.GetValue<int>()));
        Assert.Equal(20000, both["endToEndLatency"]!["count"]!.GetValue<int>());
        Assert.Contains("records/s", await OkAsync("", "bench", "kafka", "--topic", topic, "--records", "1000", "--rate", "100000", "--acks", "1", "--compression", "gzip", "--linger", "1", "--keys", "7"));
        JsonNode backlog = JsonNode.Parse(await OkAsync("", "bench", "kafka", "--topic", topic, "--producers", "0", "--consumers", "1", "--records", "21000", "--json"))!;
        Assert.Equal(21000, backlog["consumed"]!.GetValue<int>());
        JsonNode single = JsonNode.Parse(await OkAsync("", "bench", "kafka", "--topic", topic, "--records", "200", "--window", "1", "--acks", "1", "--json"))!;
        Assert.Equal(200, single["produced"]!.GetValue<int>());
        Assert.InRange(single["produceLatency"]!["meanUs"]!.GetValue<double>(), 1, single["produceLatency"]!["maxUs"]!.GetValue<double>());
    }

    private Task<string> OkAsync(string input, params string[] arguments) => SluiceProgram.OkAsync(input, ToBroker(arguments));

    private string[] ToBroker(string[] arguments) => arguments.Contains("--kafka") || arguments.Contains("kafka") ? [.. arguments, "--bootstrap-server", broker.Address] : arguments;
}
