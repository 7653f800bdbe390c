using System.Net;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Telemetry;

namespace Sluice.Protocols.Kafka.Tests.Telemetry;

/// <summary>What clients are asked for, when they may push, and what is kept of it (KIP-714), with virtual time.</summary>
public sealed class ClientTelemetryTests : IDisposable
{
    private const int IntervalMs = 1000;
    private const long Connection = 1;

    private readonly GroupFixture _fixture = new();
    private ClientTelemetry _telemetry;

    public ClientTelemetryTests() => _telemetry = Open(new TelemetryOptions());

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_client_asks_once_in_an_interval()
    {
        Subscribe("s", "a.", IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Ask(Client(1)));
        Assert.Equal(KafkaErrorCode.None, Ask(Client(2)));
        _fixture.Advance(IntervalMs - 1);
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Ask(Client(1)));
        _fixture.Advance(1);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
    }

    [Fact]
    public void A_client_pushes_at_any_time_after_it_has_asked_and_then_once_in_an_interval()
    {
        Subscribe("s", "a.", IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
        _fixture.Advance(1);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1)));
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Push(Client(1)));
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Ask(Client(1)));
        _fixture.Advance(IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1)));

        // At its end it need not wait; after that there is nothing more to say.
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), isLast: true));
        _fixture.Advance(IntervalMs);
        Assert.Equal(KafkaErrorCode.InvalidRequest, Push(Client(1)));
        Assert.Equal(KafkaErrorCode.InvalidRequest, Push(Client(1), isLast: true));
    }

    [Fact]
    public void A_client_that_pushes_for_other_subscriptions_is_told_and_may_ask_at_once()
    {
        Subscribe("s", "a.", IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1), out RequestedMetrics before));
        Subscribe("s", "a.,b.", IntervalMs);
        Assert.Equal(KafkaErrorCode.UnknownSubscriptionId, Push(Client(1), id: before.Id));
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1), out RequestedMetrics after));
        Assert.NotEqual(before.Id, after.Id);
        Assert.Equal(["a.", "b."], after.Metrics);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1)));
    }

    [Fact]
    public void A_push_that_cannot_be_read_is_refused()
    {
        Subscribe("s", "*", IntervalMs);
        byte[] data = Otlp.Data([], Otlp.Gauge("m", 1));
        Refused(KafkaErrorCode.UnsupportedCompressionType, data, (CompressionType)5);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
        Refused(KafkaErrorCode.InvalidRecord, data[..^1], CompressionType.None);
        Refused(KafkaErrorCode.InvalidRecord, data, CompressionType.Gzip);
        Refused(KafkaErrorCode.InvalidRecord, data, CompressionType.Zstd);
        Refused(KafkaErrorCode.TelemetryTooLarge, new byte[(1 << 20) + 1], CompressionType.None);
        Refused(KafkaErrorCode.TelemetryTooLarge, Compressed(new byte[100 << 20], CompressionType.Gzip), CompressionType.Gzip);
        Assert.Empty(Assert.Single(_telemetry.List()).Values);
        Assert.Equal(KafkaErrorCode.InvalidRequest, Push(Client(0)));
        Assert.Equal(0, _fixture.Buffers.BlocksOut);

        void Refused(KafkaErrorCode expected, byte[] metrics, CompressionType type)
        {
            _fixture.Advance(IntervalMs);
            Assert.Equal(expected, Push(Client(1), metrics, type));
        }
    }

    [Theory]
    [InlineData(CompressionType.None)]
    [InlineData(CompressionType.Gzip)]
    [InlineData(CompressionType.Snappy)]
    [InlineData(CompressionType.Lz4)]
    [InlineData(CompressionType.Zstd)]
    public void The_newest_values_are_kept(CompressionType type)
    {
        Subscribe("s", "*", IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), Compressed(Otlp.Data([], Otlp.Gauge("a", 1), Otlp.Gauge("b", 1)), type), type));
        _fixture.Advance(IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), Compressed(Otlp.Data([], Otlp.Gauge("b", 2), Otlp.Sum("c", 3)), type), type));
        Assert.Equal(["b=2", "c=3"], Values(1));
    }

    [Fact]
    public void Sums_since_the_last_push_are_added_up()
    {
        Subscribe("s", "*", IntervalMs);
        foreach (double value in new[] { 2.0, 3.0 })
        {
            Assert.Equal(KafkaErrorCode.None, Push(Client(1), Otlp.Data([], Otlp.Sum("a", value, isDelta: true), Otlp.Sum("a", 10 * value, isDelta: true, ("k", "v")))));
            _fixture.Advance(IntervalMs);
        }

        Assert.Equal(["a=5", "a=50"], Values(1));
    }

    [Fact]
    public void Who_is_not_heard_of_is_forgotten()
    {
        Subscribe("s", "*", IntervalMs);
        Subscribe("slow", "*", 100_000, "client_id=slow");
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), Otlp.Data([], Otlp.Gauge("a", 1))));
        Assert.Equal(KafkaErrorCode.None, Ask(Client(2)));
        _fixture.Advance(59_999);
        Assert.Equal(2, _telemetry.List().Count);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(2)));
        _fixture.Advance(1);
        Assert.Equal(Client(2).Id, Assert.Single(_telemetry.List()).InstanceId);
        Subscribe("s", "*", 100_000);
        Assert.Equal(KafkaErrorCode.None, Ask(Client(2)));
        _fixture.Advance(299_999);
        Assert.Single(_telemetry.List());
        _fixture.Advance(1);
        Assert.Empty(_telemetry.List());
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
    }

    [Fact]
    public void Whose_connection_ends_may_ask_at_once_and_is_shown_until_it_expires()
    {
        Subscribe("s", "*", IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), Otlp.Data([], Otlp.Gauge("a", 1)), isLast: true));
        _telemetry.Disconnected(Connection);
        Assert.Equal(["a=1"], Values(1));
        Assert.Equal(KafkaErrorCode.None, Ask(Client(1)));
        Assert.Equal(KafkaErrorCode.None, Push(Client(1)));
        _telemetry.Disconnected(Connection);
        _fixture.Advance(60_000);
        Assert.Empty(_telemetry.List());
    }

    [Fact]
    public void Subscriptions_are_for_the_clients_that_match_and_are_kept()
    {
        Subscribe("all", "a.", 300);
        Subscribe("some", "b.,a.", 200, "client_id=c.*,client_software_name=soft,client_software_version=1[.].*,client_source_address=127.0.0.1,client_source_port=[0-9]+");
        Subscribe("one", "c.", 100, $"client_instance_id={Client(3).Id}");
        Subscribe("other", "d.", 100, "client_id=c");
        Assert.Equal("a.,b. every 200 ms", Requested(Client(1)));
        Assert.Equal("a. every 300 ms", Requested(Client(2) with { ClientId = "d" }));
        Assert.Equal("a. every 300 ms", Requested(Client(2) with { ClientId = null }));
        Assert.Equal("a. every 300 ms", Requested(Client(2) with { SoftwareVersion = "2.0" }));
        Assert.Equal("a.,b.,c. every 100 ms", Requested(Client(3)));
        Subscribe("everything", "*", 3_600_000, "client_id=c1");
        Assert.Equal("* every 200 ms", Requested(Client(1)));
        int id = _telemetry.Subscriptions.For(Client(1)).Id;

        _fixture.Crash(CrashKind.Power);
        _telemetry = Open(new TelemetryOptions());
        Assert.Equal(id, _telemetry.Subscriptions.For(Client(1)).Id);
        foreach (string name in _telemetry.Subscriptions.Names.ToArray())
        {
            Set(name, []);
        }

        Assert.Equal(" every 300000 ms", Requested(Client(1)));
    }

    [Fact]
    public void Only_so_many_instances_are_remembered()
    {
        _telemetry = Open(new TelemetryOptions { InstancesMax = 3 });
        Subscribe("s", "*", IntervalMs);
        foreach (int client in new[] { 1, 2, 3, 1, 4 })
        {
            Ask(Client(client));
        }

        Assert.Equal([Client(3).Id, Client(1).Id, Client(4).Id], _telemetry.List().Select(static client => client.InstanceId));
    }

    [Fact]
    public void Values_have_only_so_much_room()
    {
        byte[] data = Otlp.Data([], [.. Enumerable.Range(0, 10).Select(static i => Otlp.Gauge($"m{i}", i))]);
        long bytes = OtlpReader.Read(data, 10).Values.Sum(static value => value.Bytes);
        _telemetry = Open(new TelemetryOptions { KeptBytesMax = 2 * bytes, ValuesMax = 10 });
        Subscribe("s", "*", IntervalMs);
        foreach (int client in new[] { 1, 2, 3 })
        {
            Assert.Equal(KafkaErrorCode.None, Push(Client(client), data));
        }

        Assert.Equal([(0, 10), (10, 0), (10, 0)], _telemetry.List().Select(static client => (client.Values.Count, client.LeftOff)));
        _fixture.Advance(IntervalMs);
        Assert.Equal(KafkaErrorCode.None, Push(Client(1), Otlp.Data([], [.. Enumerable.Range(0, 25).Select(static i => Otlp.Gauge($"m{i}", i))])));
        Assert.Equal([(0, 10), (10, 0), (10, 15)], _telemetry.List().Select(static client => (client.Values.Count, client.LeftOff)));
    }

    private static TelemetryClient Client(int number) =>
        new(number == 0 ? Guid.Empty : new Guid(0, 0, 0x4000, 0x80, 0, 0, 0, 0, 0, 0, (byte)number), $"c{number}", "soft", "1.2", new IPEndPoint(IPAddress.Loopback, 1000 + number));

    private static byte[] Compressed(byte[] data, CompressionType type)
    {
        using var to = new PooledBufferWriter(new BufferPool());
        Compressor.Compress(type, level: null, data, to);
        return to.WrittenSpan.ToArray();
    }

    private ClientTelemetry Open(TelemetryOptions options) => new(options, _fixture.Store.Metadata, _fixture.Buffers, _fixture.Clock);

    private void Subscribe(string name, string metrics, int intervalMs, string match = "") =>
        Set(name, new Dictionary<string, string> { ["metrics"] = metrics, ["interval.ms"] = $"{intervalMs}", ["match"] = match });

    private void Set(string name, Dictionary<string, string> config)
    {
        Assert.Equal((KafkaErrorCode.None, null), new MetricsConfigRules().Check(config));
        _fixture.Run(Done());

        async Task<bool> Done()
        {
            await _telemetry.Subscriptions.SetAsync(name, config);
            return true;
        }
    }

    private KafkaErrorCode Ask(TelemetryClient client) => Ask(client, out _);

    private KafkaErrorCode Ask(TelemetryClient client, out RequestedMetrics requested) => _telemetry.Ask(client, Connection, out requested);

    private string Requested(TelemetryClient client)
    {
        RequestedMetrics requested = _telemetry.Subscriptions.For(client);
        return $"{string.Join(',', requested.Metrics)} every {requested.IntervalMs} ms";
    }

    private KafkaErrorCode Push(TelemetryClient client, byte[]? metrics = null, CompressionType type = CompressionType.None, int? id = null, bool isLast = false) => _telemetry.Push(
        client, Connection, new PushTelemetryRequest { ClientInstanceId = client.InstanceId, SubscriptionId = id ?? _telemetry.Subscriptions.For(client).Id, CompressionType = (sbyte)type, Metrics = metrics ?? [], Terminating = isLast });

    private IEnumerable<string> Values(int client) => _telemetry.List().Single(instance => instance.InstanceId == Client(client).Id).Values.Select(static value => $"{value.Name}={value.Value}");
}
