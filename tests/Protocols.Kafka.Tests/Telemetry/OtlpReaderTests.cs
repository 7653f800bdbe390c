using Sluice.Fuzz;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.TestKit.Telemetry;

namespace Sluice.Protocols.Kafka.Tests.Telemetry;

/// <summary>Metrics as clients push them.</summary>
public sealed class OtlpReaderTests
{
    private const int Many = 1000;

    [Fact]
    public void Gauges_and_sums_are_read_with_what_the_client_says_of_itself()
    {
        byte[] data = Otlp.Data(
            [("group_id", "g"), ("client_rack", "r")],
            Otlp.Gauge("org.apache.kafka.consumer.lag", 1.5, ("topic", "t")),
            Otlp.Sum("org.apache.kafka.consumer.read.total", 7),
            Otlp.Sum("org.apache.kafka.consumer.read.total", 3, isDelta: true, ("node_id", "1")));
        (IReadOnlyList<ClientMetric> values, int leftOff) = OtlpReader.Read(data, Many);
        Assert.Equal(0, leftOff);
        Assert.Equal(
            ["org.apache.kafka.consumer.lag{group_id=g client_rack=r topic=t} 1.5", "org.apache.kafka.consumer.read.total{group_id=g client_rack=r} 7", "org.apache.kafka.consumer.read.total{group_id=g client_rack=r node_id=1} 3"],
            values.Select(Show));
        Assert.Equal([(false, false), (true, false), (true, true)], values.Select(static value => (value.IsTotal, value.IsDelta)));
    }

    [Fact]
    public void The_bytes_of_OpenTelemetry_are_read()
    {
        // resource_metrics { resource { attributes { key: "a" value { string_value: "b" } } } scope_metrics { metrics { name: "m" gauge { data_points { as_int: -2 attributes { key: "n" value { int_value: 5 } } } } } } }
        byte[] data = Convert.FromHexString("0a290a0a0a080a016112030a0162121b12190a016d2a140a1231feffffffffffffff3a070a016e12021805");
        Assert.Equal(["m{a=b n=5} -2"], OtlpReader.Read(data, Many).Values.Select(Show));
    }

    [Fact]
    public void The_order_of_fields_does_not_matter()
    {
        byte[] point = Otlp.Message((7, Otlp.Attribute("k", "v")), (6, 9ul));
        byte[] metric = Otlp.Message((7, Otlp.Message((3, true), (2, 1), (1, point))), (1, "m"));
        byte[] data = Otlp.Message((1, Otlp.Message((2, Otlp.Message((2, metric))), (1, Otlp.Message((1, Otlp.Attribute("a", "b")))))));
        ClientMetric value = Assert.Single(OtlpReader.Read(data, Many).Values);
        Assert.Equal("m{a=b k=v} 9", Show(value));
        Assert.True(value.IsTotal && value.IsDelta);
    }

    [Fact]
    public void A_message_that_is_cut_short_is_none_or_has_no_more_than_the_whole()
    {
        byte[] data = Otlp.Data([("a", "b")], Otlp.Gauge("x", 1, ("k", "v")), Otlp.Sum("y", 2));
        Assert.Empty(OtlpReader.Read([], Many).Values);
        for (int length = 1; length < data.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => OtlpReader.Read(data.AsSpan(0, length), Many));
        }
    }

    [Theory]
    [InlineData("00")] // Field 0.
    [InlineData("0b")] // A group.
    [InlineData("0aff")] // A length that does not end.
    [InlineData("0affffffffffffffffff01")] // Longer than anything.
    [InlineData("08ffffffffffffffffffff01")] // A number of eleven octets.
    [InlineData("09010203")] // Eight octets that are three.
    public void What_is_no_message(string hex) => Assert.Throws<InvalidDataException>(() => OtlpReader.Read(Convert.FromHexString(hex), Many));

    [Fact]
    public void What_is_too_much_is_left_off_and_counted()
    {
        Assert.Equal((3, 7), Count([], 3, [.. Enumerable.Range(0, 10).Select(static i => Otlp.Gauge($"m{i}", i))]));
        Assert.Equal((1, 1), Count([], Many, Otlp.Gauge(new string('n', 257), 1), Otlp.Gauge(new string('n', 256), 1)));
        Assert.Equal((0, 1), Count([], Many, Otlp.Gauge("", 1)));
        Assert.Equal((0, 2), Count([], Many, Otlp.Gauge("m", 1, ("k", new string('v', 257))), Otlp.Gauge("m", 1, (new string('k', 257), "v"))));
        Assert.Equal((0, 1), Count([("c", "d")], Many, Otlp.Gauge("m", 1, [.. Enumerable.Range(0, 16).Select(static i => ($"k{i}", "v"))])));
        Assert.Equal((0, 1), Count([("c", new string('d', 257))], Many, Otlp.Gauge("m", 1)));

        // A histogram; a point without a value; one that says so.
        Assert.Equal((0, 3), Count([], Many, Otlp.Message((1, "m"), (9, Otlp.Message())), Otlp.Message((1, "m"), (5, Otlp.Message((1, Otlp.Message((3, 1ul)))))), Otlp.Message((1, "m"), (5, Otlp.Message((1, Otlp.Message((4, 1.0), (8, 1))))))));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Seeded_mutations_find_nothing(int seed)
    {
        using var targets = new TelemetryTargets();
        await Mutations.RunAsync(targets, seed, 5000);
    }

    private static (int Values, int LeftOff) Count((string, string)[] client, int max, params byte[][] metrics)
    {
        (IReadOnlyList<ClientMetric> values, int leftOff) = OtlpReader.Read(Otlp.Data(client, metrics), max);
        return (values.Count, leftOff);
    }

    private static string Show(ClientMetric value) => $"{value.Name}{{{string.Join(' ', value.Attributes.Select(static attribute => $"{attribute.Key}={attribute.Value}"))}}} {value.Value}";
}
