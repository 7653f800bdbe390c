using System.Text.Json.Nodes;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;

namespace Sluice.Client.Tests.Live;

/// <summary>What the `sluice` command tells an operator of Kafka clients.</summary>
public sealed class OperatorTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    [Fact]
    public async Task A_client_its_topic_and_its_group_are_listed()
    {
        Assert.SkipUnless(broker.AdminPort > 0, "the broker is none that this command manages");
        string topic = broker.NewName("operator");
        string group = broker.NewName("readers");
        await Administration.CreateTopicAsync(broker.Address, topic, 2, ("retention.ms", "3600000"));
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = broker.Address, ClientId = "billing" });
        for (int i = 0; i < 5; i++)
        {
            await producer.SendAsync(new ProducerRecord<string?, string?>(topic, null, $"{i}") { Partition = 1 });
        }

        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = broker.Address, ClientId = "reader", GroupId = group, AutoOffsetReset = AutoOffsetReset.Earliest, EnableAutoCommit = false });
        consumer.Subscribe(topic);
        Assert.NotNull(await consumer.ConsumeAsync(TimeSpan.FromSeconds(30)));
        await consumer.CommitAsync();

        JsonArray connections = (await JsonAsync("connection", "list")).AsArray();
        Assert.All(["billing", "reader"], client => Assert.Contains(connections, one => $"{one!["protocol"]}, {one["user_provided_name"]}, {one["user"]}, {one["client_software_name"]}" == $"Kafka, {client}, guest, sluice-client"));
        string status = await OkAsync("status");
        Assert.Contains(" Kafka)", status);
        Assert.DoesNotContain("__", await OkAsync("queue", "list"));
        Assert.Contains("__consumer_offsets:49", await OkAsync("queue", "list", "--internal"));

        JsonNode listed = Assert.Single((await JsonAsync("topic", "list")).AsArray(), one => one!["name"]!.ToString() == topic)!;
        Assert.Equal((2, 5, """{"retention.ms":"3600000"}"""), (listed["partitions"]!.GetValue<int>(), listed["messages"]!.GetValue<int>(), listed["config"]!.ToJsonString()));
        Assert.Contains("__consumer_offsets", await OkAsync("topic", "list", "--internal"));
        JsonNode shown = await JsonAsync("topic", "show", topic);
        Assert.Equal(["0-0", "0-5"], shown["partition_details"]!.AsArray().Select(static one => $"{one!["start_offset"]}-{one["end_offset"]}"));

        JsonNode member = Assert.Single((await JsonAsync("group", "list")).AsArray(), one => one!["name"]!.ToString() == group)!;
        Assert.Equal("classic Stable range 1 4", $"{member["type"]} {member["state"]} {member["protocol"]} {member["members"]} {member["lag"]}");
        string table = await OkAsync("group", "show", group);
        Assert.StartsWith($"classic group '{group}': Stable, range, 1 members, lag 4\n", table);
        Assert.Contains("reader", table);
        JsonNode partitions = (await JsonAsync("group", "show", group))["partition_details"]!;
        Assert.Contains(partitions.AsArray(), static one => $"{one!["partition"]}: {one["offset"]} of {one["end_offset"]}, {one["lag"]} {one["client_id"]}" == "1: 1 of 5, 4 reader");

        string name = connections.First(static one => one!["user_provided_name"]?.ToString() == "billing")!["name"]!.ToString();
        Assert.Equal($"Connection '{name}' closed.\n", await OkAsync("connection", "close", name));
        await producer.SendAsync(new ProducerRecord<string?, string?>(topic, null, "after") { Partition = 0 });
        Assert.DoesNotContain(name, await OkAsync("connection", "list"));
    }

    private async Task<JsonNode> JsonAsync(params string[] arguments) => JsonNode.Parse(await OkAsync([.. arguments, "--json"]))!;

    private Task<string> OkAsync(params string[] arguments) => SluiceProgram.OkAsync("", [.. arguments, "--admin-port", $"{broker.AdminPort}"]);
}
