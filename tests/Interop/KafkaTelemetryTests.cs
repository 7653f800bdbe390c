using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Sluice.Interop;

/// <summary>Kafka's own clients and tools with telemetry (KIP-714): needs a folder with Apache Kafka's jars and a script that runs its tools (variable SLUICE_PEERS). Debian's librdkafka is too old for it.</summary>
public sealed class KafkaTelemetryTests(KafkaBrokerFixture broker) : IClassFixture<KafkaBrokerFixture>
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task What_a_Java_producer_pushes_is_shown_to_the_operator()
    {
        const int Records = 2000;
        string tool = Path.Combine(Environment.GetEnvironmentVariable("SLUICE_PEERS") ?? "", "kafka", "kafka");
        Assert.SkipUnless(File.Exists(tool), "no peer: SLUICE_PEERS names no folder with Kafka's tools");
        string server = broker.BootstrapServer;
        string[] metricsTool = ["class", "org.apache.kafka.tools.ClientMetricsCommand", "--bootstrap-server", server];
        await ClientProgram.RunAsync(tool, [.. metricsTool, "--alter", "--name", "java", "--metrics", "org.apache.kafka.producer.", "--interval", "200", "--match", "client_software_name=apache-kafka-java,client_id=perf.*"], s_patience);
        Assert.Contains("java", await ClientProgram.RunAsync(tool, [.. metricsTool, "--list"], s_patience));
        string described = await ClientProgram.RunAsync(tool, ["configs", "--bootstrap-server", server, "--entity-type", "client-metrics", "--entity-name", "java", "--describe"], s_patience);
        Assert.Contains("interval.ms=200", described);
        await ClientProgram.RunAsync(tool, ["producer-perf", "--topic", "java-telemetry", "--num-records", $"{Records}", "--record-size", "10", "--throughput", "1000", "--bootstrap-server", server], s_patience);

        // The producer has said everything once more when it began to end, when its last batch may not have gone.
        JsonElement client = JsonDocument.Parse(await AdminAsync("api/client-metrics")).RootElement.EnumerateArray().Single(static one => one.GetProperty("client_id").GetString() == "perf-producer-client");
        Assert.True(client.GetProperty("terminating").GetBoolean());
        Assert.Equal(0, client.GetProperty("values_left_off").GetInt32());
        JsonElement values = JsonDocument.Parse(await AdminAsync($"api/client-metrics/{client.GetProperty("name").GetString()}")).RootElement.GetProperty("values");
        JsonElement sent = values.EnumerateArray().Single(static value => value.GetProperty("name").GetString() == "org.apache.kafka.producer.record.send.total");
        Assert.Equal("total", sent.GetProperty("kind").GetString());
        double number = sent.GetProperty("value").GetDouble();
        Assert.InRange(number, Records - 100, Records);
        Assert.Contains($"sluice_kafka_client_producer_record_send_total{{client_id=\"perf-producer-client\",client_instance_id=\"{client.GetProperty("name").GetString()}\"}} {number}\n", await AdminAsync("metrics?clients=true"));
        await ClientProgram.RunAsync(tool, [.. metricsTool, "--delete", "--name", "java"], s_patience);
        Assert.DoesNotContain("java", await ClientProgram.RunAsync(tool, [.. metricsTool, "--list"], s_patience));
    }

    private async Task<string> AdminAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{broker.AdminPort}/") };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("guest:guest")));
        return await http.GetStringAsync(path);
    }
}
