using System.Net;
using System.Text.Json.Nodes;
using Sluice.Broker.Topics;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class TopologyTests
{
    [Fact]
    public async Task Exchanges_are_declared_listed_and_deleted()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/exchanges/%2F/e", """{"type":"topic","durable":true,"arguments":{"alternate-exchange":"amq.fanout"}}""");
        JsonNode exchange = await host.GetAsync("/api/exchanges/%2F/e");
        Assert.Equal("topic", exchange["type"]!.ToString());
        Assert.Equal("amq.fanout", exchange["arguments"]!["alternate-exchange"]!.ToString());
        Assert.Contains((await host.GetAsync("/api/exchanges")).AsArray(), item => item!["name"]!.ToString() == "amq.topic");
        await host.PutAsync("/api/exchanges/%2F/e", """{"type":"fanout","durable":true}""", HttpStatusCode.BadRequest);
        await host.PutAsync("/api/exchanges/%2F/x", """{"type":"imaginary"}""", HttpStatusCode.BadRequest);
        await host.DeleteAsync("/api/exchanges/%2F/amq.topic", HttpStatusCode.Unauthorized);
        await host.DeleteAsync("/api/exchanges/%2F/e");
        await host.DeleteAsync("/api/exchanges/%2F/e", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Bindings_are_made_found_by_their_key_and_removed()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", "{}");
        using HttpResponseMessage made = await host.SendAsync(HttpMethod.Post, "/api/bindings/%2F/e/amq.headers/q/q", """{"routing_key":"a/b","arguments":{"x-match":"all","n":1}}""");
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        await host.PostAsync("/api/bindings/%2F/e/amq.headers/q/q", """{"routing_key":""}""", HttpStatusCode.Created);
        await host.PostAsync("/api/bindings/%2F/e/amq.fanout/e/amq.topic", """{"routing_key":"k"}""", HttpStatusCode.Created);
        JsonNode one = await host.GetAsync($"/api/bindings/%2F/e/amq.headers/q/q/{made.Headers.Location}");
        Assert.Equal("a/b", one["routing_key"]!.ToString());
        Assert.Equal("""{"x-match":"all","n":1}""", one["arguments"]!.ToJsonString());
        Assert.Equal(2, (await host.GetAsync("/api/bindings/%2F/e/amq.headers/q/q")).AsArray().Count);
        Assert.Equal("~", (await host.GetAsync("/api/bindings/%2F/e/amq.headers/q/q/~"))["properties_key"]!.ToString());
        Assert.Equal(3, (await host.GetAsync("/api/queues/%2F/q/bindings")).AsArray().Count);
        Assert.Equal("amq.fanout", Assert.Single((await host.GetAsync("/api/exchanges/%2F/amq.topic/bindings/destination")).AsArray())!["source"]!.ToString());
        Assert.Single((await host.GetAsync("/api/exchanges/%2F/amq.default/bindings/source")).AsArray());
        await host.DeleteAsync($"/api/bindings/%2F/e/amq.headers/q/q/{made.Headers.Location}");
        await host.DeleteAsync($"/api/bindings/%2F/e/amq.headers/q/q/{made.Headers.Location}", HttpStatusCode.NotFound);
        Assert.Single((await host.GetAsync("/api/bindings/%2F/e/amq.headers/q/q")).AsArray());
        await host.PostAsync("/api/bindings/%2F/e/amq.default/q/q", """{"routing_key":"x"}""", HttpStatusCode.Unauthorized);
        await host.PostAsync("/api/bindings/%2F/e/amq.direct/q/missing", """{"routing_key":"x"}""", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Topics_of_several_partitions_are_bound_by_their_names()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        Topic topic = (await host.Broker.Broker.FindVirtualHost("/")!.CreateTopicAsync(new TopicDefinition("t", Guid.NewGuid(), new Dictionary<string, string>()), partitions: 4)).Value!;
        await host.PostAsync("/api/bindings/%2F/e/amq.topic/q/t", """{"routing_key":"#"}""", HttpStatusCode.Created);
        await host.PostAsync("/api/bindings/%2F/e/amq.topic/q/t:1", """{"routing_key":"one"}""", HttpStatusCode.Created);
        Assert.Equal("t", (await host.GetAsync("/api/bindings/%2F/e/amq.topic/q/t/%23"))["destination"]!.ToString());
        Assert.Equal(2, (await host.GetAsync("/api/queues/%2F/t/bindings")).AsArray().Count);
        using HttpResponseMessage published = await host.SendAsync(HttpMethod.Post, "/api/exchanges/%2F/amq.topic/publish", """{"routing_key":"foobar","payload":"m","payload_encoding":"string","properties":{}}""");
        Assert.Contains("true", await published.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal([0, 0, 1, 0], topic.Partitions.Select(static partition => partition.EndOffset));
        Assert.Equal(1, (await host.GetAsync("/api/queues/%2F/t"))["messages"]!.GetValue<int>());

        // Definitions know bindings to topics, but do not make queues of their partitions.
        JsonNode definitions = await host.GetAsync("/api/definitions");
        Assert.Empty(definitions["queues"]!.AsArray());
        Assert.Equal(["t", "t:1"], definitions["bindings"]!.AsArray().Select(static binding => binding!["destination"]!.ToString()).Order());
        await host.DeleteAsync("/api/bindings/%2F/e/amq.topic/q/t/%23");
        await host.DeleteAsync("/api/queues/%2F/t?if-empty=true", HttpStatusCode.BadRequest);
        await host.DeleteAsync("/api/queues/%2F/t");
        await host.PostAsync("/api/bindings/%2F/e/amq.topic/q/t", """{"routing_key":"#"}""", HttpStatusCode.NotFound);
        Assert.Empty((await host.GetAsync("/api/queues")).AsArray());
    }

    [Fact]
    public async Task Policies_are_set_seen_in_force_and_deleted()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/orders", "{}");
        await host.PutAsync("/api/policies/%2F/p", """{"pattern":"^ord","definition":{"max-length":10,"message-ttl":5000},"priority":"1","apply-to":"queues"}""");
        await host.PutAsync("/api/operator-policies/%2F/limit", """{"pattern":".*","definition":{"max-length":5},"apply-to":"queues"}""");
        JsonNode queue = await host.GetAsync("/api/queues/%2F/orders");
        Assert.Equal(("p", "limit"), (queue["policy"]!.ToString(), queue["operator_policy"]!.ToString()));
        Assert.Equal("""{"max-length":5,"message-ttl":5000}""", queue["effective_policy_definition"]!.ToJsonString());
        Assert.Equal(1, (await host.GetAsync("/api/policies/%2F/p"))["priority"]!.GetValue<int>());
        await host.PutAsync("/api/policies/%2F/p", """{"pattern":"^ord","definition":{"no-such-setting":1}}""", HttpStatusCode.BadRequest);
        await host.PutAsync("/api/policies/%2F/p", """{"pattern":"(","definition":{"max-length":1}}""", HttpStatusCode.BadRequest);
        await host.DeleteAsync("/api/policies/%2F/p");
        await host.DeleteAsync("/api/policies/%2F/p", HttpStatusCode.NotFound);
        await host.DeleteAsync("/api/operator-policies/%2F/limit");
    }

    [Fact]
    public async Task Virtual_hosts_come_and_go_with_all_that_is_in_them()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/vhosts/v", "{}");
        await host.PutAsync("/api/vhosts/v", "{}", HttpStatusCode.NoContent);
        await host.PutAsync("/api/queues/v/q", """{"durable":true}""");
        await host.PutAsync("/api/vhost-limits/v/max-queues", """{"value":1}""", HttpStatusCode.NoContent);
        await host.PutAsync("/api/queues/v/r", "{}", HttpStatusCode.BadRequest);
        await host.PostAsync("/api/definitions", """{"queues":[{"vhost":"v","name":"r","durable":true,"auto_delete":false,"arguments":{}}]}""", HttpStatusCode.BadRequest);
        Assert.Equal("""{"max-queues":1}""", (await host.GetAsync("/api/vhost-limits/v"))[0]!["value"]!.ToJsonString());
        await host.DeleteAsync("/api/vhost-limits/v/max-queues");
        await host.PutAsync("/api/queues/v/r", "{}");
        await host.DeleteAsync("/api/vhosts/v");
        await host.AskAsync(HttpMethod.Get, "/api/queues/v", HttpStatusCode.NotFound);
        Assert.DoesNotContain((await host.GetAsync("/api/permissions")).AsArray(), permission => permission!["vhost"]!.ToString() == "v");
    }

    [Fact]
    public async Task Definitions_go_from_one_broker_to_another()
    {
        JsonNode definitions;
        await using (AdminHost host = await AdminHost.StartAsync())
        {
            await host.PutAsync("/api/vhosts/v", "{}");
            await host.PutAsync("/api/users/u", """{"password":"secret","tags":"monitoring"}""");
            await host.PutAsync("/api/permissions/v/u", """{"configure":"a","write":"b","read":"c"}""");
            await host.PutAsync("/api/topic-permissions/v/u", """{"exchange":"amq.topic","write":"w","read":"r"}""");
            await host.PutAsync("/api/queues/v/q", """{"durable":true,"arguments":{"x-max-length":7}}""");
            await host.PutAsync("/api/exchanges/v/e", """{"type":"topic","durable":true}""");
            await host.PostAsync("/api/bindings/v/e/e/q/q", """{"routing_key":"a.#"}""", HttpStatusCode.Created);
            await host.PutAsync("/api/policies/v/p", """{"pattern":"q","definition":{"message-ttl":1000}}""");
            await host.PutAsync("/api/operator-policies/v/o", """{"pattern":"q","definition":{"max-length":9},"apply-to":"queues"}""");
            definitions = await host.GetAsync("/api/definitions");
        }

        await using (AdminHost host = await AdminHost.StartAsync())
        {
            await host.PostAsync("/api/definitions", definitions.ToJsonString(), HttpStatusCode.NoContent);
            Assert.True(JsonNode.DeepEquals(definitions, await host.GetAsync("/api/definitions")), "What came out is not what went in.");
            host.LogIn("u", "secret");
            Assert.Equal("u", (await host.GetAsync("/api/whoami"))["name"]!.ToString());
        }
    }

    [Fact]
    public async Task Definitions_of_RabbitMQ_are_taken_in_and_what_cannot_be_is_named()
    {
        await using AdminHost host = await AdminHost.StartAsync();

        // Password "test12" in RabbitMQ's form, from its documentation.
        const string Definitions = """
            {"rabbit_version":"3.10.8","users":[{"name":"r","password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["management"],"limits":{}}],
             "vhosts":[{"name":"/"}],"global_parameters":[{"name":"internal_cluster_id","value":"x"}],
             "queues":[{"name":"imported","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-queue-type":"classic"}}]}
            """;
        await host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent);
        Assert.True((await host.GetAsync("/api/queues/%2F/imported"))["durable"]!.GetValue<bool>());
        JsonNode exported = (await host.GetAsync("/api/users/r"))!;
        Assert.Equal("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", exported["password_hash"]!.ToString());
        host.LogIn("r", "test12");
        await host.GetAsync("/api/whoami");
        host.LogIn("guest", "guest");
        JsonNode shovel = await host.PostAsync("/api/definitions", """{"parameters":[{"vhost":"/","component":"shovel","name":"s","value":{}}]}""", HttpStatusCode.BadRequest);
        Assert.Contains("shovel", shovel["reason"]!.ToString(), StringComparison.Ordinal);
    }
}
