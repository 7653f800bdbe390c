using System.Net;
using System.Text.Json.Nodes;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class OperationTests
{
    [Fact]
    public async Task Users_keep_their_password_when_only_tags_change()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/users/u", """{"password":"secret","tags":["management"],"limits":{"max-connections":3}}""");
        JsonNode user = await host.GetAsync("/api/users/u");
        Assert.Equal(3, user["limits"]!["max-connections"]!.GetValue<int>());
        string body = new JsonObject { ["password_hash"] = user["password_hash"]!.ToString(), ["hashing_algorithm"] = user["hashing_algorithm"]!.ToString(), ["tags"] = "administrator" }.ToJsonString();
        await host.PutAsync("/api/users/u", body, HttpStatusCode.NoContent);
        host.LogIn("u", "secret");
        JsonNode changed = await host.GetAsync("/api/users/u");
        Assert.Equal("administrator", changed["tags"]![0]!.ToString());
        Assert.Equal(3, changed["limits"]!["max-connections"]!.GetValue<int>());
        await host.DeleteAsync("/api/users/u");
        await host.AskAsync(HttpMethod.Get, "/api/whoami", HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("/api/users/u", """{"password":"x"}""", "'tags' is missing")]
    [InlineData("/api/users/u", """{"password_hash":"nonsense","tags":""}""", "a salt of 4 and a hash of 32")]
    [InlineData("/api/permissions/%2F/nobody", """{"configure":"","write":"","read":""}""", "nobody")]
    [InlineData("/api/permissions/%2F/guest", """{"configure":"(","write":"","read":""}""", "(")]
    [InlineData("/api/permissions/%2F/guest", """{"configure":"","write":""}""", "'read' is missing")]
    [InlineData("/api/user-limits/guest/max-dreams", """{"value":1}""", "max-dreams")]
    public async Task What_cannot_be_set_is_refused_with_the_reason(string path, string body, string reason)
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode error = await host.PutAsync(path, body, HttpStatusCode.BadRequest);
        Assert.Contains(reason, error["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connections_channels_and_consumers_are_shown_and_closed()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", "{}");
        using AmqpClient client = AmqpClient.Connect(host.Amqp with { ConnectionName = "shown" });
        client.SelectConfirms();
        AmqpReceiver receiver = new(client, "q", autoAcknowledge: false, prefetch: 7);
        await host.PostAsync("/api/exchanges/%2F/amq.default/publish", """{"routing_key":"q","payload":"x"}""");
        AmqpMessage? message = receiver.Receive(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.NotNull(message);
        JsonNode connection = Assert.Single((await host.GetAsync("/api/connections")).AsArray())!;
        Assert.Equal(("shown", "guest", "/", "running"), (connection["user_provided_name"]!.ToString(), connection["user"]!.ToString(), connection["vhost"]!.ToString(), connection["state"]!.ToString()));
        JsonNode channel = Assert.Single((await host.GetAsync("/api/channels")).AsArray())!;
        Assert.True(channel["confirm"]!.GetValue<bool>());
        Assert.Equal((1, 1, 7), (channel["consumer_count"]!.GetValue<int>(), channel["messages_unacknowledged"]!.GetValue<int>(), channel["prefetch_count"]!.GetValue<int>()));
        JsonNode consumer = Assert.Single((await host.GetAsync("/api/consumers/%2F")).AsArray())!;
        Assert.Equal(("q", true), (consumer["queue"]!["name"]!.ToString(), consumer["ack_required"]!.GetValue<bool>()));
        Assert.Equal(connection["name"]!.ToString(), consumer["channel_details"]!["connection_name"]!.ToString());
        Assert.Equal(1, (await host.GetAsync("/api/queues/%2F/q"))["messages_unacknowledged"]!.GetValue<int>());

        string path = $"/api/connections/{Uri.EscapeDataString(connection["name"]!.ToString())}";
        Assert.Single((await host.GetAsync(path + "/channels")).AsArray());
        await host.DeleteAsync(path);
        AmqpClosedException closed = Assert.Throws<AmqpClosedException>(() => receiver.Receive(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal(320, closed.Code);
        Assert.Contains("Closed via management", closed.Text, StringComparison.Ordinal);
        await host.EventuallyAsync("/api/connections", list => list.AsArray().Count == 0);
        await host.DeleteAsync(path, HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Of_consumers_of_a_queue_with_a_single_active_one_that_one_is_active()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", """{"arguments":{"x-single-active-consumer":true}}""");
        await host.PutAsync("/api/queues/%2F/shared", "{}");
        using AmqpClient first = AmqpClient.Connect(host.Amqp);
        first.StartConsumer("q", autoAcknowledge: true);
        string active = Assert.Single((await host.GetAsync("/api/consumers")).AsArray())!["channel_details"]!["connection_name"]!.ToString();
        using AmqpClient second = AmqpClient.Connect(host.Amqp);
        second.StartConsumer("q", autoAcknowledge: true);
        JsonArray both = (await host.GetAsync("/api/consumers")).AsArray();
        Assert.Equal(2, both.Count);
        Assert.All(both, consumer => Assert.Equal(consumer!["channel_details"]!["connection_name"]!.ToString() == active, consumer["active"]!.GetValue<bool>()));
        first.Dispose();
        await host.EventuallyAsync("/api/consumers", list => list.AsArray() is [{ } one] && one["active"]!.GetValue<bool>());

        using AmqpClient third = AmqpClient.Connect(host.Amqp);
        third.StartConsumer("shared", autoAcknowledge: true);
        Assert.All((await host.GetAsync("/api/consumers")).AsArray(), consumer => Assert.True(consumer!["active"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Messages_that_wait_for_their_confirm_are_counted_and_refused_ones_are_not()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/full", """{"durable":true,"arguments":{"x-max-length":1,"x-overflow":"reject-publish"}}""");
        await host.PutAsync("/api/queues/%2F/q", """{"durable":true}""");
        using AmqpClient client = AmqpClient.Connect(host.Amqp);
        AmqpPublisher publisher = new(client);
        using ManualResetEventSlim healthy = new();
        host.Disk.Fault = operation =>
        {
            if (operation.StartsWith("sync", StringComparison.Ordinal))
            {
                healthy.Wait();
            }

            return null;
        };
        try
        {
            Publish("full", 3);
            await Unconfirmed(1);
            Publish("q", 4);
            await Unconfirmed(5);
        }
        finally
        {
            host.Disk.Fault = null;
            healthy.Set();
        }

        publisher.Flush(TimeSpan.FromSeconds(20));
        Assert.Equal((5, 2), (publisher.Confirmed, publisher.Nacked));
        await Unconfirmed(0);
        Publish("full", 2);
        publisher.Flush(TimeSpan.FromSeconds(20));
        await Unconfirmed(0);

        void Publish(string queue, int count)
        {
            for (int i = 0; i < count; i++)
            {
                publisher.Publish("", queue, new AmqpProperties { DeliveryMode = 2 }, "x"u8, mandatory: false);
            }

            client.Send();
        }

        Task Unconfirmed(int expected) => host.EventuallyAsync("/api/channels", list => list[0]!["messages_unconfirmed"]!.GetValue<int>() == expected);
    }

    [Fact]
    public async Task Health_follows_the_broker()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        Assert.Equal("ok", (await host.GetAsync("/api/health/checks/alarms"))["status"]!.ToString());
        Assert.Equal("ok", (await host.GetAsync($"/api/health/checks/port-listener/{host.AmqpPort}"))["status"]!.ToString());
        await host.GetAsync("/api/health/checks/protocol-listener/amqp");
        await host.GetAsync("/api/health/checks/virtual-hosts");
        await host.AskAsync(HttpMethod.Get, "/api/health/checks/port-listener/1", HttpStatusCode.ServiceUnavailable);
        await host.AskAsync(HttpMethod.Get, "/api/health/checks/protocol-listener/mqtt", HttpStatusCode.ServiceUnavailable);
        Assert.Equal("ok", (await host.GetAsync("/api/aliveness-test/%2F"))["status"]!.ToString());
        host.Broker.Broker.SetBlocked("low on memory");
        JsonNode failed = await host.AskAsync(HttpMethod.Get, "/api/health/checks/alarms", HttpStatusCode.ServiceUnavailable);
        Assert.Contains("low on memory", failed["reason"]!.ToString(), StringComparison.Ordinal);
        Assert.True((await host.GetAsync("/api/nodes"))[0]!["mem_alarm"]!.GetValue<bool>());
    }

    [Fact]
    public async Task The_overview_counts_what_is_there()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/q", "{}");
        await host.PostAsync("/api/exchanges/%2F/amq.default/publish", """{"routing_key":"q","payload":"x"}""");
        JsonNode overview = await host.GetAsync("/api/overview");
        Assert.Equal(1, overview["queue_totals"]!["messages_ready"]!.GetValue<int>());
        Assert.Equal(1, overview["object_totals"]!["queues"]!.GetValue<int>());
        Assert.Equal("Sluice", overview["product_name"]!.ToString());
        Assert.Contains(overview["listeners"]!.AsArray(), listener => listener!["port"]!.GetValue<int>() == host.AmqpPort);
    }

    [Fact]
    public async Task Metrics_are_in_Prometheus_text_format()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/queues/%2F/a%22b", "{}");
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Get, "/metrics?per-object=true");
        string text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains("sluice_queues{vhost=\"/\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("sluice_queue_messages_ready{vhost=\"/\",queue=\"a\\\"b\"} 0\n", text, StringComparison.Ordinal);
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Matches("""^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? -?[0-9.E+-]+)$""", line);
        }
    }
}
