namespace Sluice.Interop;

/// <summary>kcat (librdkafka), as Debian packages it.</summary>
public sealed class KcatTests(KafkaBrokerFixture broker) : IClassFixture<KafkaBrokerFixture>
{
    [Theory]
    [InlineData("none")]
    [InlineData("gzip")]
    [InlineData("snappy")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public async Task Kcat_produces_and_consumes(string codec)
    {
        string topic = Topic();
        string input = string.Concat(Enumerable.Range(0, 500).Select(static i => $"key{i}:value {i} {new string('x', i)}\n"));
        await KcatAsync(input, "-P", "-t", topic, "-K", ":", "-H", "name=some value", "-z", codec);
        string output = await KcatAsync(null, "-C", "-t", topic, "-e", "-q", "-f", "%p %o %k:%s %h\n");
        string expected = string.Concat(Enumerable.Range(0, 500).Select(static i => $"0 {i} key{i}:value {i} {new string('x', i)} name=some value\n"));
        Assert.Equal(expected, output);
    }

    [Fact]
    public async Task Kcat_idempotent_producer()
    {
        string topic = Topic();
        await KcatAsync(string.Concat(Enumerable.Range(0, 1000).Select(static i => $"{i}\n")), "-P", "-t", topic, "-X", "enable.idempotence=true", "-X", "batch.num.messages=10");
        string output = await KcatAsync(null, "-C", "-t", topic, "-e", "-q");
        Assert.Equal(Enumerable.Range(0, 1000).Select(static i => $"{i}"), output.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task Kcat_lists_the_cluster_and_its_topics()
    {
        string topic = Topic();
        await KcatAsync("one\n", "-P", "-t", topic);
        string output = await KcatAsync(null, "-L", "-t", topic);
        Assert.Contains($"topic \"{topic}\" with 1 partitions", output);
        Assert.Contains("partition 0, leader 1, replicas: 1, isrs: 1", output);
        Assert.Contains($"at {broker.BootstrapServer}", output);
    }

    [Fact]
    public async Task Kcat_finds_offsets_by_time()
    {
        string topic = Topic();
        await KcatAsync("one\ntwo\nthree\n", "-P", "-t", topic);
        Assert.Contains($"{topic} [0] offset 3", await KcatAsync(null, "-Q", "-t", $"{topic}:0:-1"));
        Assert.Contains($"{topic} [0] offset 0", await KcatAsync(null, "-Q", "-t", $"{topic}:0:-2"));
        Assert.Contains($"{topic} [0] offset 0", await KcatAsync(null, "-Q", "-t", $"{topic}:0:1000"));
        Assert.Equal("three\n", await KcatAsync(null, "-C", "-t", topic, "-o", "-1", "-e", "-q"));
        Assert.Equal("two\nthree\n", await KcatAsync(null, "-C", "-t", topic, "-o", "1", "-e", "-q"));
    }

    [Fact]
    public async Task Kcat_consumer_group_goes_on_where_it_was()
    {
        string topic = Topic(), group = Topic();
        await KcatAsync("one\ntwo\n", "-P", "-t", topic);
        string[] consume = ["-G", group, "-X", "auto.offset.reset=earliest", "-e", "-q", topic];
        Assert.Equal("one\ntwo\n", await KcatAsync(null, consume));
        await KcatAsync("three\n", "-P", "-t", topic);
        Assert.Equal("three\n", await KcatAsync(null, consume));
    }

    [Fact]
    public async Task Kcat_with_a_password()
    {
        string topic = Topic();
        string[] login = ["-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanisms=PLAIN", "-X", "sasl.username=guest"];
        await KcatAsync("secret\n", ["-P", "-t", topic, .. login, "-X", "sasl.password=guest"]);
        Assert.Equal("secret\n", await KcatAsync(null, ["-C", "-t", topic, "-e", "-q", .. login, "-X", "sasl.password=guest"]));
        (int code, string output) = await ClientProgram.RunForCodeAsync("kcat", ["-b", broker.BootstrapServer, "-L", "-m", "5", .. login, "-X", "sasl.password=wrong"]);
        Assert.NotEqual(0, code);
        Assert.Contains("Authentication failed", output);
    }

    private static string Topic() => $"kcat.{Guid.NewGuid().ToString("N")[..12]}";

    private Task<string> KcatAsync(string? input, params string[] arguments) => ClientProgram.RunAsync("kcat", ["-b", broker.BootstrapServer, .. arguments], input: input);
}
