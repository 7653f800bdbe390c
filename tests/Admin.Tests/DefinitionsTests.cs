using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>Definitions of what RabbitMQ does not have: topics, credentials for SCRAM, and what Kafka's administration sets.</summary>
public sealed class DefinitionsTests
{
    private const string Definitions = """
        {
          "users": [
            {"name":"ada","password_hash":"","hashing_algorithm":"","tags":[],"limits":{},"scram_credentials":[
              {"mechanism":"SCRAM-SHA-256","iterations":8192,"salt":"AQIDBA==","stored_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","server_key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}]}
          ],
          "topics": [
            {"vhost":"/","name":"orders","partitions":3,"config":{"retention.ms":"60000","cleanup.policy":"compact"},"grown":true},
            {"vhost":"/","name":"one","partitions":1,"config":{}}
          ],
          "exchanges": [{"vhost":"/","name":"e","type":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":{}}],
          "bindings": [{"vhost":"/","source":"e","destination":"orders","destination_type":"queue","routing_key":"a","arguments":{}}],
          "kafka_acls": [
            {"principal":"User:ada","host":"*","permission":"allow","operation":"read","resource_type":"topic","pattern_type":"prefixed","resource_name":"ord"},
            {"principal":"User:ada","host":"*","permission":"deny","operation":"describe_configs","resource_type":"transactional_id","pattern_type":"literal","resource_name":"t"}
          ],
          "kafka_quotas": [
            {"entity":{"user":"ada","client-id":null},"quotas":{"consumer_byte_rate":1000000,"request_percentage":12.5}},
            {"entity":{"ip":"10.0.0.7"},"quotas":{"connection_creation_rate":5}}
          ],
          "kafka_group_configs": [{"name":"billing","config":{"consumer.session.timeout.ms":"50000"}}],
          "kafka_client_metrics": [{"name":"slow","config":{"interval.ms":"10000","metrics":"org.apache.kafka.producer."}}]
        }
        """;

    [Fact]
    public async Task Exports_of_the_same_are_the_same_in_whatever_order_it_was_declared()
    {
        (string Path, string Body)[] declarations =
        [
            ("/api/vhosts/v", "{}"),
            ("/api/users/zoe", "{\"password_hash\":\"\",\"tags\":\"\"}"),
            ("/api/users/ada", "{\"password_hash\":\"\",\"tags\":\"\"}"),
            ("/api/permissions/%2F/zoe", "{\"configure\":\"\",\"write\":\"\",\"read\":\"\"}"),
            ("/api/permissions/v/ada", "{\"configure\":\"\",\"write\":\"\",\"read\":\"\"}"),
            ("/api/permissions/%2F/ada", "{\"configure\":\"\",\"write\":\"\",\"read\":\"\"}"),
            ("/api/topic-permissions/%2F/zoe", "{\"exchange\":\"amq.topic\",\"write\":\"\",\"read\":\"\"}"),
            ("/api/topic-permissions/%2F/ada", "{\"exchange\":\"amq.topic\",\"write\":\"\",\"read\":\"\"}"),
            ("/api/queues/%2F/z", "{\"durable\":true,\"arguments\":{\"x-max-length\":1,\"x-expires\":600000}}"),
            ("/api/queues/%2F/a", "{\"durable\":true}"),
        ];
        string[] bindings = ["z", "a"];
        var exports = new List<string>();
        foreach (bool isReversed in (bool[])[false, true])
        {
            await using AdminHost host = await AdminHost.StartAsync();

            // Virtual hosts and users are first in any case.
            foreach ((string path, string body) in isReversed ? [.. declarations[..3], .. declarations[3..].Reverse()] : declarations)
            {
                await host.PutAsync(path, isReversed ? body.Replace("\"x-max-length\":1,\"x-expires\":600000", "\"x-expires\":600000,\"x-max-length\":1", StringComparison.Ordinal) : body);
            }

            foreach (string queue in isReversed ? bindings.Reverse() : bindings)
            {
                await host.PostAsync($"/api/bindings/%2F/e/amq.topic/q/{queue}", "{\"routing_key\":\"k\"}", HttpStatusCode.Created);
            }

            JsonObject export = (await host.GetAsync("/api/definitions")).AsObject();

            // Its salt is another one each time.
            export["users"]!.AsArray().Remove(export["users"]!.AsArray().Single(static user => user!["name"]!.ToString() == "guest"));
            exports.Add(export.ToJsonString());
        }

        Assert.Equal(exports[0], exports[1]);
    }

    [Fact]
    public async Task What_Kafka_has_comes_out_as_it_went_in_and_may_go_in_again()
    {
        JsonNode first;
        await using (AdminHost host = await AdminHost.StartAsync())
        {
            await host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent);
            first = await host.GetAsync("/api/definitions");
            JsonNode given = JsonNode.Parse(Definitions)!;
            Assert.Empty(first["queues"]!.AsArray());
            Assert.Equal("one orders", string.Join(' ', first["topics"]!.AsArray().Select(static topic => topic!["name"])));
            Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"vhost":"/","name":"orders","partitions":3,"config":{"cleanup.policy":"compact","retention.ms":"60000"},"grown":true}"""), first["topics"]![1]), first["topics"]!.ToJsonString());
            foreach (string section in new[] { "kafka_quotas", "kafka_group_configs", "kafka_client_metrics" })
            {
                Assert.Equal(Sorted(given[section]!), Sorted(first[section]!));
            }

            Assert.Equal(Sorted(given["kafka_acls"]!), Sorted(first["kafka_acls"]!));
            JsonNode ada = first["users"]!.AsArray().Single(static user => user!["name"]!.ToString() == "ada")!;
            Assert.Equal("", ada["password_hash"]!.ToString());
            Assert.True(JsonNode.DeepEquals(given["users"]![0]!["scram_credentials"], ada["scram_credentials"]));

            // The binding is of the partition that has kept the topic's name as a stream.
            Assert.Equal(3, host.Broker.Broker.FindVirtualHost("/")!.FindTopic("orders")!.Partitions.Count);
            await host.PostAsync("/api/definitions", first.ToJsonString(), HttpStatusCode.NoContent);
            Assert.True(JsonNode.DeepEquals(first, await host.GetAsync("/api/definitions")), "The second import has changed something.");
        }

        await using (AdminHost host = await AdminHost.StartAsync())
        {
            await host.PostAsync("/api/definitions", first.ToJsonString(), HttpStatusCode.NoContent);
            Assert.True(JsonNode.DeepEquals(first, await host.GetAsync("/api/definitions")), "What came out is not what went in.");
        }
    }

    [Fact]
    public async Task A_topic_that_is_there_stays_as_it_is()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PostAsync("/api/definitions", """{"topics":[{"vhost":"/","name":"t","partitions":2,"config":{"retention.ms":5000}}]}""", HttpStatusCode.NoContent);
        await host.PostAsync("/api/definitions", """{"topics":[{"vhost":"/","name":"t","partitions":7}]}""", HttpStatusCode.NoContent);
        JsonNode topic = Assert.Single((await host.GetAsync("/api/definitions"))["topics"]!.AsArray())!;
        Assert.Equal("""{"vhost":"/","name":"t","partitions":2,"config":{"retention.ms":"5000"}}""", topic.ToJsonString());
    }

    [Fact]
    public async Task Topics_go_into_another_virtual_host_and_what_is_the_brokers_own_does_not()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/vhosts/v", "{}");
        await host.PutAsync("/api/queues/v/q", """{"durable":true}""");
        await host.PutAsync("/api/queues/v/s", """{"durable":true,"arguments":{"x-queue-type":"stream"}}""");
        await host.PostAsync("/api/definitions", """{"topics":[{"vhost":"v","name":"t","partitions":2}]}""", HttpStatusCode.NoContent);
        JsonNode one = await host.GetAsync("/api/definitions/v");
        Assert.Equal("""[{"name":"t","partitions":2,"config":{}}]""", one["topics"]!.ToJsonString());
        Assert.False(one.AsObject().ContainsKey("kafka_acls"));
        await host.PutAsync("/api/vhosts/w", "{}");
        await host.PostAsync("/api/definitions/w", one.ToJsonString(), HttpStatusCode.NoContent);
        Assert.Equal(2, host.Broker.Broker.FindVirtualHost("w")!.FindTopic("t")!.Partitions.Count);
        JsonNode inTheWay = await host.PostAsync("/api/definitions/v", """{"topics":[{"name":"s","partitions":1}]}""", HttpStatusCode.BadRequest);
        Assert.Contains("topics[0] 's': there is a queue of this name", inTheWay["reason"]!.ToString(), StringComparison.Ordinal);
        Assert.Equal("q s", string.Join(' ', one["queues"]!.AsArray().Select(static queue => queue!["name"])));
        JsonNode refused = await host.PostAsync("/api/definitions/w", """{"kafka_acls":[]}""", HttpStatusCode.BadRequest);
        Assert.Contains("cannot be imported into one virtual host", refused["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"topics":[{"vhost":"/","name":"good","partitions":1},{"vhost":"/","name":"a b","partitions":1}]}""", "topics[1] 'a b': Topic name is invalid")]
    [InlineData("""{"topics":[{"vhost":"/","name":"t","partitions":0}]}""", "topics[0] 't': ")]
    [InlineData("""{"topics":[{"vhost":"/","name":"t"}]}""", "topics[0] 't': 'partitions' is missing")]
    [InlineData("""{"topics":[{"vhost":"/","name":"t","partitions":1,"config":{"retention.msec":"1"}}]}""", "retention.msec")]
    [InlineData("""{"topics":[{"vhost":"/","name":"t","partitions":1,"replicas":3}]}""", "topics[0] 't': 'replicas' is not known here")]
    [InlineData("""{"topics":[{"vhost":"/","name":"__consumer_offsets","partitions":1}]}""", "topics[0] '__consumer_offsets': ")]
    [InlineData("""{"topics":[{"vhost":"nowhere","name":"t","partitions":1}]}""", "there is no virtual host 'nowhere'")]
    [InlineData("""{"kafka_acls":[{"principal":"ada","host":"*","permission":"allow","operation":"read","resource_type":"topic","pattern_type":"literal","resource_name":"x"}]}""", "kafka_acls[0]: The principal 'ada' is not of the form User:NAME")]
    [InlineData("""{"kafka_acls":[{"principal":"User:a","host":"*","permission":"allow","operation":"reed","resource_type":"topic","pattern_type":"literal","resource_name":"x"}]}""", "kafka_acls[0]: 'operation' is 'reed', which is none")]
    [InlineData("""{"kafka_acls":[{"principal":"User:a"}]}""", "kafka_acls[0]: 'resource_type' is missing")]
    [InlineData("""{"kafka_quotas":[{"entity":{"user":"a"},"quotas":{"speed":1}}]}""", "kafka_quotas[0]: Quota speed is not served")]
    [InlineData("""{"kafka_quotas":[{"entity":{"planet":"a"},"quotas":{}}]}""", "kafka_quotas[0]: Quotas of entity type planet are not served")]
    [InlineData("""{"kafka_group_configs":[{"name":"g","config":{"nonsense":"1"}}]}""", "kafka_group_configs[0] 'g': ")]
    [InlineData("""{"kafka_client_metrics":[{"name":"m","config":{"interval.ms":"1"}}]}""", "kafka_client_metrics[0] 'm': Invalid value 1 for interval.ms")]
    [InlineData("""{"users":[{"name":"u","tags":"","scram_credentials":[{"mechanism":"SCRAM-SHA-1","iterations":8192,"salt":"AQ==","stored_key":"AQ==","server_key":"AQ=="}]}]}""", "users[0] 'u': 'scram_credentials' has one that cannot be")]
    [InlineData("""{"users":[{"name":"u","tags":"","scram_credentials":[{"mechanism":"SCRAM-SHA-256","iterations":1,"salt":"AQ==","stored_key":"AQ==","server_key":"AQ=="}]}]}""", "users[0] 'u': 'iterations' is 1; 4096 to 16384 are allowed")]
    public async Task An_entry_that_cannot_be_is_named(string definitions, string reason)
    {
        await using AdminHost host = await AdminHost.StartAsync();
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Post, "/api/definitions", definitions);
        Assert.InRange((int)answer.StatusCode, 400, 499);
        Assert.Contains(reason, JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_are_listed_with_what_they_log_in_by()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent);
        await host.PutAsync("/api/users/bob", """{"password":"secret","tags":""}""");
        await host.PutAsync("/api/users/cy", """{"password_hash":"","tags":""}""");
        JsonArray users = (await host.GetAsync("/api/users")).AsArray();
        Assert.Equal(
            ["ada SCRAM-SHA-256", "bob PLAIN,SCRAM-SHA-256,SCRAM-SHA-512", "cy ", "guest PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"],
            users.Select(static user => $"{user!["name"]} {string.Join(',', user["mechanisms"]!.AsArray())}"));
    }

    private static string[] Sorted(JsonNode section) => [.. section.AsArray().Select(static entry => entry!.ToJsonString()).Order(StringComparer.Ordinal)];
}
