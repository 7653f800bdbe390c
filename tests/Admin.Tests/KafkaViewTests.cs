using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>What an operator sees of Kafka clients, with a real one connected.</summary>
public sealed class KafkaViewTests
{
    private const int OffsetsPartitions = 50;

    [Fact]
    public async Task A_Kafka_client_is_among_the_connections_and_can_be_closed()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        using AmqpClient amqp = AmqpClient.Connect(host.Amqp);
        await using KafkaProducer<string?, string?> producer = Producer(host);
        await producer.SendAsync(new ProducerRecord<string?, string?>("orders", null, "hello"), TestContext.Current.CancellationToken);

        JsonArray connections = (await host.GetAsync("/api/connections")).AsArray();
        Assert.Contains(connections, static one => one!["protocol"]!.ToString() == "AMQP 0-9-1" && one["auth_mechanism"]!.ToString() == "PLAIN");
        JsonNode kafka = connections.First(static one => one!["protocol"]!.ToString() == "Kafka")!;
        string name = kafka["name"]!.ToString();
        Assert.EndsWith($" -> 127.0.0.1:{host.KafkaPort}", name, StringComparison.Ordinal);
        Assert.Equal(("guest", "/", "running", "billing", "127.0.0.1"), (kafka["user"]!.ToString(), kafka["vhost"]!.ToString(), kafka["state"]!.ToString(), kafka["user_provided_name"]!.ToString(), kafka["peer_host"]!.ToString()));
        Assert.Equal("sluice", kafka["client_software_name"]!.ToString().Split('-')[0]);
        Assert.NotEmpty(kafka["client_software_version"]!.ToString());
        Assert.False(kafka["ssl"]!.GetValue<bool>());
        Assert.Null(kafka["auth_mechanism"]);
        Assert.InRange(DateTimeOffset.FromUnixTimeMilliseconds(kafka["connected_at"]!.GetValue<long>()), DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow);
        string path = $"/api/connections/{Uri.EscapeDataString(name)}";
        Assert.Equal(name, (await host.GetAsync(path))["name"]!.ToString());

        JsonNode totals = (await host.GetAsync("/api/overview"))["object_totals"]!;
        int count = totals["connections_by_protocol"]!["Kafka"]!.GetValue<int>();
        Assert.True(count > 0);
        Assert.Equal((1, count + 1), (totals["connections_by_protocol"]!["AMQP 0-9-1"]!.GetValue<int>(), totals["connections"]!.GetValue<int>()));
        Assert.True(Figure(await MetricsAsync(host), "sluice_connections{protocol=\"Kafka\"}") > 0);

        await host.DeleteAsync(path);
        await host.EventuallyAsync("/api/connections", all => all.AsArray().All(one => one!["name"]!.ToString() != name));
        await host.DeleteAsync(path, HttpStatusCode.NotFound);
        await producer.SendAsync(new ProducerRecord<string?, string?>("orders", null, "again"), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_login_by_SASL_shows_its_user_and_mechanism_to_those_who_may_see_it()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/users/kay", """{"password":"secret","tags":"management"}""");
        await host.PutAsync("/api/users/ann", """{"password":"secret","tags":"management"}""");
        await host.PutAsync("/api/permissions/%2F/kay", """{"configure":".*","write":".*","read":".*"}""");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = $"127.0.0.1:{host.KafkaPort}", Sasl = new SaslPlain("kay", "secret") });
        await producer.SendAsync(new ProducerRecord<string?, string?>("orders", null, "hello"), TestContext.Current.CancellationToken);
        JsonNode connection = (await host.GetAsync("/api/connections")).AsArray()[0]!;
        Assert.Equal(("kay", "PLAIN"), (connection["user"]!.ToString(), connection["auth_mechanism"]!.ToString()));
        host.LogIn("kay", "secret");
        Assert.NotEmpty((await host.GetAsync("/api/connections")).AsArray());
        host.LogIn("ann", "secret");
        Assert.Empty((await host.GetAsync("/api/connections")).AsArray());
    }

    [Fact]
    public async Task Topics_are_shown_with_their_partitions_and_settings()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/queues/%2F/log", """{"durable":true,"arguments":{"x-queue-type":"stream"}}""");
        await CreateTopicAsync(host, "orders", 3, ("max.message.bytes", "5000"), ("retention.ms", "604800000"));
        await using KafkaProducer<string?, string?> producer = Producer(host);
        await SendAsync(producer, "orders", partition: 1, count: 5);
        JsonArray topics = (await host.GetAsync("/api/topics")).AsArray();
        Assert.Equal(["log/stream/1", "orders/topic/3"], topics.Select(static topic => $"{topic!["name"]}/{topic["type"]}/{topic["partitions"]}"));
        JsonNode orders = await host.GetAsync("/api/topics/%2F/orders");
        Assert.Equal(("/", false, 5L), (orders["vhost"]!.ToString(), orders["internal"]!.GetValue<bool>(), orders["messages"]!.GetValue<long>()));
        Assert.True(orders["bytes"]!.GetValue<long>() > 0);

        // A setting that was set to its default does not differ.
        Assert.Equal("""{"max.message.bytes":"5000"}""", orders["config"]!.ToJsonString());
        Assert.Equal(["0: 0-0", "1: 0-5", "2: 0-0"], orders["partition_details"]!.AsArray().Select(static one => $"{one!["partition"]}: {one["start_offset"]}-{one["end_offset"]}"));
        await host.AskAsync(HttpMethod.Get, "/api/topics/%2F/nothing", HttpStatusCode.NotFound);
        JsonNode totals = (await host.GetAsync("/api/overview"))["object_totals"]!;
        Assert.Equal((2, 4), (totals["topics"]!.GetValue<int>(), totals["partitions"]!.GetValue<int>()));
        string metrics = await MetricsAsync(host, "?per-object=true");
        Assert.Contains("sluice_topics{vhost=\"/\"} 2\n", metrics, StringComparison.Ordinal);
        Assert.Contains("sluice_partitions{vhost=\"/\"} 4\n", metrics, StringComparison.Ordinal);
        Assert.Contains("sluice_topic_appended_total{vhost=\"/\",topic=\"orders\"} 5\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_brokers_own_topics_are_shown_only_when_asked_for()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await CommitAsync(host, "orders", "readers", 0);
        Assert.Equal("orders", Assert.Single((await host.GetAsync("/api/queues")).AsArray())!["name"]!.ToString());
        Assert.Equal("orders", Assert.Single((await host.GetAsync("/api/queues/%2F")).AsArray())!["name"]!.ToString());
        Assert.Equal(1 + OffsetsPartitions, (await host.GetAsync("/api/queues?internal=true")).AsArray().Count);
        Assert.Equal("__consumer_offsets:7", (await host.GetAsync("/api/queues/%2F/__consumer_offsets%3A7"))["name"]!.ToString());
        Assert.Equal("orders", Assert.Single((await host.GetAsync("/api/bindings")).AsArray())!["destination"]!.ToString());
        Assert.Equal("orders", Assert.Single((await host.GetAsync("/api/topics")).AsArray())!["name"]!.ToString());
        JsonNode own = (await host.GetAsync("/api/topics/%2F?internal=true")).AsArray().Single(static topic => topic!["internal"]!.GetValue<bool>())!;
        Assert.Equal(("__consumer_offsets", OffsetsPartitions), (own["name"]!.ToString(), own["partitions"]!.GetValue<int>()));
        JsonNode overview = await host.GetAsync("/api/overview");
        Assert.Equal((1, 1), (overview["object_totals"]!["queues"]!.GetValue<int>(), overview["object_totals"]!["partitions"]!.GetValue<int>()));
        Assert.Equal(3, overview["queue_totals"]!["messages_ready"]!.GetValue<int>());
        Assert.Equal(3, (await host.GetAsync("/api/vhosts/%2F"))["messages"]!.GetValue<int>());
        Assert.DoesNotContain("__consumer_offsets", await MetricsAsync(host, "?per-object=true"), StringComparison.Ordinal);
        Assert.Contains("__consumer_offsets:7", await MetricsAsync(host, "?per-object=true&internal=true"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(GroupProtocol.Classic, "classic", "range")]
    [InlineData(GroupProtocol.Consumer, "consumer", "uniform")]
    public async Task Groups_are_shown_with_their_members_and_their_lag(GroupProtocol protocol, string type, string assignor)
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await CreateTopicAsync(host, "orders", 2);
        await using KafkaProducer<string?, string?> producer = Producer(host);
        await SendAsync(producer, "orders", partition: 0, count: 5);
        await using KafkaConsumer<string?, string?> consumer = new(new ConsumerOptions
        {
            BootstrapServers = $"127.0.0.1:{host.KafkaPort}",
            ClientId = "reader",
            GroupId = "readers",
            GroupProtocol = protocol,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            EnableAutoCommit = false,
        });
        consumer.Subscribe("orders");
        Assert.NotNull(await consumer.ConsumeAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        await consumer.CommitAsync([new TopicPartitionOffset("orders", 0, 2)], TestContext.Current.CancellationToken);

        JsonNode listed = Assert.Single((await host.EventuallyAsync("/api/groups", static groups => groups[0]!["state"]!.ToString() == "Stable")).AsArray())!;
        Assert.Equal(("readers", "/", type, "Stable", assignor), (listed["name"]!.ToString(), listed["vhost"]!.ToString(), listed["type"]!.ToString(), listed["state"]!.ToString(), listed["protocol"]!.ToString()));
        Assert.Equal((1, 2, 3L), (listed["members"]!.GetValue<int>(), listed["partitions"]!.GetValue<int>(), listed["lag"]!.GetValue<long>()));
        JsonNode group = await host.GetAsync("/api/groups/%2F/readers");
        JsonNode member = Assert.Single(group["member_details"]!.AsArray())!;
        Assert.Equal(("reader", """[{"topic":"orders","partitions":[0,1]}]"""), (member["client_id"]!.ToString(), member["assigned"]!.ToJsonString()));
        Assert.Equal(["0: 2 of 5, lag 3, reader", "1:  of 0, lag , reader"], group["partition_details"]!.AsArray().Select(static one => $"{one!["partition"]}: {one["offset"]} of {one["end_offset"]}, lag {one["lag"]}, {one["client_id"]}"));
        string metrics = await MetricsAsync(host);
        Assert.Contains($"sluice_kafka_groups{{type=\"{type}\",state=\"Stable\"}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("sluice_kafka_group_lag{group=\"readers\",topic=\"orders\"} 3\n", metrics, StringComparison.Ordinal);
        await host.AskAsync(HttpMethod.Get, "/api/groups/%2F/nobody", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Offsets_of_an_earlier_topic_and_of_none_have_no_lag()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await CommitAsync(host, "orders", "readers", 1);
        VirtualHost virtualHost = host.Broker.Broker.FindVirtualHost("/")!;
        await virtualHost.DeleteTopicAsync(virtualHost.FindTopic("orders")!);
        JsonNode gone = Assert.Single((await host.GetAsync("/api/groups/%2F/readers"))["partition_details"]!.AsArray())!;
        Assert.Equal((1L, null, null), (gone["offset"]!.GetValue<long>(), gone["end_offset"], gone["lag"]));
        await CreateTopicAsync(host, "orders", 1);
        JsonNode other = Assert.Single((await host.GetAsync("/api/groups/%2F/readers"))["partition_details"]!.AsArray())!;
        Assert.Equal((null, 0L, null), (other["offset"], other["end_offset"]!.GetValue<long>(), other["lag"]));
    }

    [Fact]
    public async Task Topics_and_groups_are_seen_by_those_who_may_enter_their_virtual_host()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await CommitAsync(host, "orders", "readers", 1);
        await host.PutAsync("/api/vhosts/mine", "{}");
        await host.PutAsync("/api/users/other", """{"password":"secret","tags":"management"}""");
        await host.PutAsync("/api/permissions/mine/other", """{"configure":".*","write":".*","read":".*"}""");
        await host.PutAsync("/api/users/watch", """{"password":"secret","tags":"monitoring"}""");
        host.LogIn("other", "secret");
        foreach (string kind in (string[])["topics", "groups"])
        {
            Assert.Empty((await host.GetAsync($"/api/{kind}")).AsArray());
            Assert.Empty((await host.GetAsync($"/api/{kind}/mine")).AsArray());
            await host.AskAsync(HttpMethod.Get, $"/api/{kind}/%2F", HttpStatusCode.Unauthorized);
            await host.AskAsync(HttpMethod.Get, $"/api/{kind}/%2F/{(kind == "topics" ? "orders" : "readers")}", HttpStatusCode.Unauthorized);
        }

        Assert.DoesNotContain("readers", await MetricsAsync(host), StringComparison.Ordinal);
        host.LogIn("watch", "secret");
        Assert.Single((await host.GetAsync("/api/topics")).AsArray());
        Assert.Single((await host.GetAsync("/api/groups")).AsArray());
    }

    [Fact]
    public async Task Without_Kafka_clients_there_are_no_groups()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        Assert.Empty((await host.GetAsync("/api/groups")).AsArray());
        Assert.Empty((await host.GetAsync("/api/groups/%2F")).AsArray());
        await host.AskAsync(HttpMethod.Get, "/api/groups/%2F/readers", HttpStatusCode.NotFound);
        Assert.Contains("sluice_connections{protocol=\"Kafka\"} 0\n", await MetricsAsync(host), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_count_what_Kafka_clients_do()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await CommitAsync(host, "orders", "readers", 1);
        using (HttpResponseMessage refused = await LogInWronglyAsync(host))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        host.LogIn("guest", "guest");
        string metrics = await MetricsAsync(host);
        Assert.Equal(3, Figure(metrics, "sluice_kafka_produced_records_total"));
        Assert.True(Figure(metrics, "sluice_kafka_produced_bytes_total") > 100);
        Assert.InRange(Figure(metrics, "sluice_kafka_requests_total{api=\"Produce\"}"), 1, 3);
        Assert.Equal(Figure(metrics, "sluice_kafka_requests_total{api=\"Produce\"}"), Figure(metrics, "sluice_kafka_produce_seconds_count"));
        Assert.Equal(Figure(metrics, "sluice_kafka_produce_seconds_count"), Figure(metrics, "sluice_kafka_produce_seconds_bucket{le=\"+Inf\"}"));
        Assert.True(Figure(metrics, "sluice_kafka_requests_total{api=\"OffsetCommit\"}") > 0);
        Assert.Equal(1, Figure(metrics, "sluice_logins_refused_total{reason=\"BadCredentials\"}"));
        Assert.Equal(0, Figure(metrics, "sluice_kafka_transactions_open"));
        await using KafkaConsumer<string?, string?> consumer = Consumer(host, "others");
        consumer.Assign(new Client.TopicPartition("orders", 0));
        Assert.NotNull(await consumer.ConsumeAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.True(Figure(await MetricsAsync(host), "sluice_kafka_fetched_bytes_total") > 100);

        // Nobody may write to the broker's own topics.
        await using KafkaProducer<string?, string?> producer = Producer(host);
        await Assert.ThrowsAnyAsync<KafkaClientException>(() => producer.SendAsync(new ProducerRecord<string?, string?>("__consumer_offsets", null, "x"), TestContext.Current.CancellationToken));
        Assert.True(Figure(await MetricsAsync(host), "sluice_kafka_errors_total{code=\"InvalidTopicException\"}") > 0);
    }

    private static KafkaProducer<string?, string?> Producer(AdminHost host) => new(new ProducerOptions { BootstrapServers = $"127.0.0.1:{host.KafkaPort}", ClientId = "billing" });

    private static KafkaConsumer<string?, string?> Consumer(AdminHost host, string group) => new(new ConsumerOptions
    {
        BootstrapServers = $"127.0.0.1:{host.KafkaPort}",
        GroupId = group,
        AutoOffsetReset = AutoOffsetReset.Earliest,
        EnableAutoCommit = false,
    });

    private static async Task CreateTopicAsync(AdminHost host, string name, int partitions, params (string Name, string Value)[] config) => Assert.True((await host.Broker.Broker.FindVirtualHost("/")!.CreateTopicAsync(
        new TopicDefinition(name, Guid.NewGuid(), config.ToDictionary(static setting => setting.Name, static setting => setting.Value)), partitions)).IsOk);

    private static async Task SendAsync(KafkaProducer<string?, string?> producer, string topic, int partition, int count)
    {
        for (int i = 0; i < count; i++)
        {
            await producer.SendAsync(new ProducerRecord<string?, string?>(topic, null, "hello") { Partition = partition }, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A topic of one partition and three records, and a group that has committed an offset in it.</summary>
    private static async Task CommitAsync(AdminHost host, string topic, string group, long offset)
    {
        await using KafkaProducer<string?, string?> producer = Producer(host);
        await SendAsync(producer, topic, partition: 0, count: 3);
        await using KafkaConsumer<string?, string?> consumer = Consumer(host, group);
        await consumer.CommitAsync([new TopicPartitionOffset(topic, 0, offset)], TestContext.Current.CancellationToken);
    }

    private static Task<HttpResponseMessage> LogInWronglyAsync(AdminHost host)
    {
        host.LogIn("guest", "wrong");
        return host.SendAsync(HttpMethod.Get, "/api/overview");
    }

    private static async Task<string> MetricsAsync(AdminHost host, string query = "")
    {
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Get, $"/metrics{query}");
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private static double Figure(string metrics, string name) =>
        double.Parse(Assert.Single(metrics.Split('\n'), line => line.StartsWith($"{name} ", StringComparison.Ordinal)).Split(' ')[^1], CultureInfo.InvariantCulture);
}
