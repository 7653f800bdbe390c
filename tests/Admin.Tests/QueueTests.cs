using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class QueueTests
{
    [Fact]
    public async Task A_queue_is_declared_shown_and_deleted()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        const string Body = """{"durable":"true","auto_delete":false,"arguments":{"x-message-ttl":60000,"x-queue-type":"quorum"},"node":"any"}""";
        await host.PutAsync("/api/queues/%2F/a%2Fb%20c", Body);
        await host.PutAsync("/api/queues/%2F/a%2Fb%20c", Body, HttpStatusCode.NoContent);
        JsonNode queue = await host.GetAsync("/api/queues/%2F/a%2Fb%20c");
        Assert.Equal("a/b c", queue["name"]!.ToString());
        Assert.Equal("quorum", queue["type"]!.ToString());
        Assert.True(queue["durable"]!.GetValue<bool>());
        Assert.Equal(60000, queue["arguments"]!["x-message-ttl"]!.GetValue<int>());
        Assert.Empty(queue["consumer_details"]!.AsArray());
        await host.DeleteAsync("/api/queues/%2F/a%2Fb%20c");
        await host.AskAsync(HttpMethod.Get, "/api/queues/%2F/a%2Fb%20c", HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("""{"durable":true,"durability":true}""", "'durability' is not known here")]
    [InlineData("""{"durable":"perhaps"}""", "'durable' must be true or false")]
    [InlineData("""{"arguments":[]}""", "'arguments' must be an object")]
    [InlineData("""{"arguments":{"x-message-ttl":"soon"}}""", "x-message-ttl")]
    [InlineData("""{"arguments":{"x-unheard-of":1}}""", "x-unheard-of")]
    [InlineData("""{"queue":"other"}""", "'queue' is 'other' in the body and 'q' in the path")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{", "not valid JSON")]
    public async Task A_declaration_that_cannot_be_honoured_is_refused(string body, string reason)
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode error = await host.PutAsync("/api/queues/%2F/q", body, HttpStatusCode.BadRequest);
        Assert.Equal("bad_request", error["error"]!.ToString());
        Assert.Contains(reason, error["reason"]!.ToString(), StringComparison.Ordinal);
        await host.AskAsync(HttpMethod.Get, "/api/queues/%2F/q", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Another_durability_is_no_match()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", """{"durable":true}""");
        JsonNode error = await host.PutAsync("/api/queues/%2F/q", """{"durable":false}""", HttpStatusCode.BadRequest);
        Assert.Contains("durable", error["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_queue_with_messages_goes_only_when_that_is_meant()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", "{}");
        await Publish(host, "q", "one");
        await host.AskAsync(HttpMethod.Delete, "/api/queues/%2F/q?if-empty=true", HttpStatusCode.BadRequest);
        await host.DeleteAsync("/api/queues/%2F/q/contents");
        Assert.Equal(0, (await host.GetAsync("/api/queues/%2F/q"))["messages"]!.GetValue<int>());
        await host.DeleteAsync("/api/queues/%2F/q?if-empty=true");
    }

    [Fact]
    public async Task Messages_are_published_and_got_with_their_properties()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", """{"durable":true}""");
        const string Message = """
            {"routing_key":"q","payload":"aGVsbG8=","payload_encoding":"base64",
             "properties":{"delivery_mode":"2","content_type":"text/plain","priority":3,"headers":{"n":1,"deep":{"list":[true,"x"]}},"timestamp":1700000000}}
            """;
        Assert.True((await host.PostAsync("/api/exchanges/%2F/amq.default/publish", Message))["routed"]!.GetValue<bool>());
        JsonNode peeked = Assert.Single((await host.PostAsync("/api/queues/%2F/q/get", """{"count":"5","ackmode":"ack_requeue_true","encoding":"auto"}""")).AsArray())!;
        Assert.Equal("hello", peeked["payload"]!.ToString());
        Assert.Equal("string", peeked["payload_encoding"]!.ToString());
        Assert.Equal(5, peeked["payload_bytes"]!.GetValue<int>());
        Assert.Equal(0, peeked["message_count"]!.GetValue<int>());
        Assert.False(peeked["redelivered"]!.GetValue<bool>());
        Assert.Equal(
            """{"content_type":"text/plain","headers":{"n":1,"deep":{"list":[true,"x"]}},"delivery_mode":2,"priority":3,"timestamp":1700000000}""",
            peeked["properties"]!.ToJsonString());
        JsonNode taken = Assert.Single((await host.PostAsync("/api/queues/%2F/q/get", """{"count":5,"ackmode":"ack_requeue_false","encoding":"base64","truncate":2}""")).AsArray())!;
        Assert.True(taken["redelivered"]!.GetValue<bool>());
        Assert.Equal("aGU=", taken["payload"]!.ToString());
        Assert.Empty((await host.PostAsync("/api/queues/%2F/q/get", """{"count":5,"ackmode":"ack_requeue_false","encoding":"auto"}""")).AsArray());
    }

    [Theory]
    [InlineData("""{"routing_key":"q","payload":"x","properties":{"colour":"red"}}""", "no property 'colour'")]
    [InlineData("""{"routing_key":"q","payload":"x","properties":{"delivery_mode":300}}""", "'delivery_mode'")]
    [InlineData("""{"routing_key":"q","payload":"x","properties":{"expiration":"soon"}}""", "'expiration'")]
    [InlineData("""{"routing_key":"q","payload":"x","payload_encoding":"rot13"}""", "payload_encoding")]
    [InlineData("""{"routing_key":"q","payload":"*","payload_encoding":"base64"}""", "base64")]
    [InlineData("""{"payload":"x"}""", "'routing_key' is missing")]
    public async Task A_message_that_cannot_be_published_is_refused(string body, string reason)
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode error = await host.PostAsync("/api/exchanges/%2F/amq.default/publish", body, HttpStatusCode.BadRequest);
        Assert.Contains(reason, error["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_no_queue_takes_is_told()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        Assert.False((await host.PostAsync("/api/exchanges/%2F/amq.direct/publish", """{"routing_key":"nowhere","payload":""}"""))["routed"]!.GetValue<bool>());
        await host.PostAsync("/api/exchanges/%2F/missing/publish", """{"routing_key":"x","payload":""}""", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Lists_are_filtered_sorted_paged_and_cut_to_columns()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        for (int i = 0; i < 7; i++)
        {
            await host.PutAsync($"/api/queues/%2F/q{i}", "{}");
        }

        await Publish(host, "q3", "one");
        Assert.Equal("""[{"name":"q3","messages":1},{"name":"q6","messages":0}]""", First(await host.GetAsync("/api/queues?columns=name,messages&sort=messages&sort_reverse=true&name=3"), await host.GetAsync("/api/queues?columns=name,messages&name=6")));
        JsonNode page = await host.GetAsync("/api/queues?page=2&page_size=3&sort=name&sort_reverse=true&columns=name");
        Assert.Equal("""[{"name":"q3"},{"name":"q2"},{"name":"q1"}]""", page["items"]!.ToJsonString());
        Assert.Equal((7, 3, 3), (page["total_count"]!.GetValue<int>(), page["page_count"]!.GetValue<int>(), page["item_count"]!.GetValue<int>()));
        Assert.Equal("""[{"name":"q5"},{"name":"q6"}]""", (await host.GetAsync("/api/queues/%2F?columns=name&name=%5Bq%5D%5B56%5D&use_regex=true")).ToJsonString());
        await host.AskAsync(HttpMethod.Get, "/api/queues?page=9", HttpStatusCode.BadRequest);
        await host.AskAsync(HttpMethod.Get, "/api/queues?name=%5B&use_regex=true", HttpStatusCode.BadRequest);
    }

    private static string First(params JsonNode[] lists) => new JsonArray([.. lists.Select(list => list[0]!.DeepClone())]).ToJsonString();

    private static Task<JsonNode> Publish(AdminHost host, string queue, string payload) =>
        host.PostAsync("/api/exchanges/%2F/amq.default/publish", $$"""{"routing_key":"{{queue}}","payload":"{{payload}}"}""");
}
