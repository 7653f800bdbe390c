using System.CommandLine;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Sluice.Admin.Http;
using Sluice.Broker.Definitions;
using Sluice.Broker.Topics;
using Sluice.Commands;
using Sluice.LoadGenerator.Client;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>Who has changed what, in the log, and what a request that succeeds has to say beside.</summary>
public sealed class ChangeLogTests
{
    private const string Definitions = """
        {
          "vhosts": [{"name":"v","limits":{"max-queues":9}}],
          "users": [
            {"name":"ada","password":"lovelace","tags":["monitoring"]},
            {"name":"cy","password_hash":"","tags":""}
          ],
          "permissions": [{"user":"ada","vhost":"v","configure":"a","write":"b","read":"c"}],
          "topic_permissions": [{"user":"ada","vhost":"v","exchange":"e","write":"b","read":"c"}],
          "policies": [{"vhost":"v","name":"p","pattern":"^q","apply-to":"queues","priority":1,"definition":{"max-length":5}}],
          "queues": [
            {"vhost":"v","name":"q","durable":true,"auto_delete":false,"arguments":{}},
            {"vhost":"v","name":"r","durable":true,"auto_delete":false,"arguments":{"x-queue-type":"quorum"}}
          ],
          "topics": [{"vhost":"v","name":"t","partitions":3,"config":{"retention.ms":"60000"}}],
          "exchanges": [{"vhost":"v","name":"e","type":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":{}}],
          "bindings": [{"vhost":"v","source":"e","destination":"q","destination_type":"queue","routing_key":"a","arguments":{}}],
          "kafka_acls": [
            {"principal":"User:ada","host":"*","permission":"allow","operation":"read","resource_type":"topic","pattern_type":"prefixed","resource_name":"a"},
            {"principal":"User:ada","host":"*","permission":"allow","operation":"write","resource_type":"topic","pattern_type":"prefixed","resource_name":"a"}
          ],
          "kafka_quotas": [{"entity":{"user":"ada"},"quotas":{"consumer_byte_rate":1000000}}],
          "kafka_group_configs": [{"name":"billing","config":{"consumer.session.timeout.ms":"50000"}}]
        }
        """;

    [Fact]
    public async Task Changes_of_users_are_told_with_who_made_them_and_what_is_different()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/users/root", """{"password":"secret","tags":"administrator"}""");
        host.LogIn("root", "secret");
        await LogsAsync(host, "User 'root' created user 'bob': tags [monitoring], a password, credentials for SCRAM-SHA-256 and SCRAM-SHA-512", () => host.PutAsync("/api/users/bob", """{"password":"one","tags":"monitoring"}"""));
        await LogsAsync(host, "User 'root' changed user 'bob': tags [sysadmin] instead of [monitoring]", () => host.PutAsync("/api/users/bob", """{"password":"one","tags":"sysadmin"}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'root' changed user 'bob': another password, credentials for SCRAM-SHA-256 and SCRAM-SHA-512", () => host.PutAsync("/api/users/bob", """{"password":"two","tags":"sysadmin"}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'root' changed user 'bob': connections 3, channels without limit", () => host.PutAsync("/api/user-limits/bob/max-connections", """{"value":3}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'root' changed user 'bob': no password, no credentials for SCRAM", () => host.PutAsync("/api/users/bob", """{"password_hash":"","tags":"sysadmin"}""", HttpStatusCode.NoContent));
        await LogsAsync(host, null, () => host.PutAsync("/api/users/bob", """{"password_hash":"","tags":"sysadmin"}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'root' gave user 'bob' permissions in virtual host '/': configure 'a', write 'b', read 'c'", () => host.PutAsync("/api/permissions/%2F/bob", """{"configure":"a","write":"b","read":"c"}"""));
        await LogsAsync(host, "User 'root' changed the permissions of user 'bob' in virtual host '/': configure '', write 'b', read 'c'", () => host.PutAsync("/api/permissions/%2F/bob", """{"configure":"","write":"b","read":"c"}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'root' took from user 'bob' its permissions in virtual host '/'", () => host.DeleteAsync("/api/permissions/%2F/bob"));
        await LogsAsync(host, "User 'root' gave user 'bob' permissions on routing keys of exchange 'e' in virtual host '/': write 'b', read 'c'", () => host.PutAsync("/api/topic-permissions/%2F/bob", """{"exchange":"e","write":"b","read":"c"}"""));
        await LogsAsync(host, "User 'root' took from user 'bob' its permissions on routing keys of all exchanges in virtual host '/'", () => host.DeleteAsync("/api/topic-permissions/%2F/bob"));
        await LogsAsync(host, "User 'root' deleted user 'bob'", () => host.DeleteAsync("/api/users/bob"));
    }

    [Fact]
    public async Task Changes_of_virtual_hosts_and_policies_are_told_with_who_made_them()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await LogsAsync(host, "User 'guest' created virtual host 'v'", () => host.PutAsync("/api/vhosts/v", "{}"));
        await LogsAsync(host, "User 'guest' changed the limits of virtual host 'v': connections without limit, queues 7", () => host.PutAsync("/api/vhost-limits/v/max-queues", """{"value":7}""", HttpStatusCode.NoContent));
        await LogsAsync(host, null, () => host.PutAsync("/api/vhost-limits/v/max-queues", """{"value":7}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'guest' created policy 'p' in virtual host 'v': pattern '^q', for all, priority 0, max-length=5", () => host.PutAsync("/api/policies/v/p", """{"pattern":"^q","definition":{"max-length":5}}"""));
        await LogsAsync(host, null, () => host.PutAsync("/api/policies/v/p", """{"pattern":"^q","definition":{"max-length":5}}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'guest' changed policy 'p' in virtual host 'v': max-length=6 instead of max-length=5", () => host.PutAsync("/api/policies/v/p", """{"pattern":"^q","definition":{"max-length":6}}""", HttpStatusCode.NoContent));
        await LogsAsync(host, "User 'guest' deleted policy 'p' in virtual host 'v'", () => host.DeleteAsync("/api/policies/v/p"));
        await LogsAsync(host, "User 'guest' deleted virtual host 'v'", () => host.DeleteAsync("/api/vhosts/v"));
    }

    [Fact]
    public async Task A_topic_that_goes_as_a_queue_is_told_with_who_deletes_it()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await CreateAsync(host, "one", 1);
        await CreateAsync(host, "two", 2);
        await LogsAsync(host, "User 'guest' deleted topic 'two' with 2 partitions as a queue of its name in virtual host '/'", () => host.DeleteAsync("/api/queues/%2F/two"));
        using AmqpClient client = AmqpClient.Connect(host.Amqp);
        client.DeleteQueue("one");
        Assert.Contains("User 'guest' deleted topic 'one' with 1 partition as a queue of its name in virtual host '/'", host.Log);
    }

    [Fact]
    public async Task An_import_says_in_a_line_what_it_has_made_and_one_that_changes_nothing_says_just_that()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        int before = host.Log.Count;
        await host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent);
        string[] lines = [.. host.Log.Skip(before)];
        Assert.Contains("User 'guest' created user 'ada': tags [monitoring], a password, credentials for SCRAM-SHA-256 and SCRAM-SHA-512", lines);
        Assert.Contains("User 'guest' created virtual host 'v'", lines);
        Assert.Contains("User 'guest' created topic 't' with 3 partitions and retention.ms=60000 in virtual host 'v'", lines);
        Assert.Contains("User 'guest' changed quotas of user 'ada': consumer_byte_rate=1000000", lines);
        Assert.Contains("User 'guest' configured group 'billing': consumer.session.timeout.ms=50000", lines);
        Assert.Contains("Access control entry added by 'guest': User:ada from any address may Read every topic whose name begins with 'a'", lines);
        Assert.Equal(
            "User 'guest' imported definitions: created vhosts 1, users 2, permissions 1, topic_permissions 1, kafka_acls 2, kafka_quotas 1, kafka_group_configs 1, policies 1, queues 2, topics 1, exchanges 1, bindings 1; changed nothing; 0 entries were there and stay as they are",
            lines[^1]);

        long revision = host.Revision;
        await LogsAsync(
            host,
            "User 'guest' imported definitions: created nothing; changed nothing; 15 entries were there and stay as they are",
            () => host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent));
        Assert.Equal(revision, host.Revision);

        const string Change = """{"users":[{"name":"ada","password":"lovelace","tags":[]}],"kafka_quotas":[{"entity":{"user":"ada"},"quotas":{"consumer_byte_rate":5}}]}""";
        before = host.Log.Count;
        await host.PostAsync("/api/definitions", Change, HttpStatusCode.NoContent);
        Assert.Equal(
            ["User 'guest' changed user 'ada': tags [] instead of [monitoring]", "User 'guest' changed quotas of user 'ada': consumer_byte_rate=5", "User 'guest' imported definitions: created nothing; changed users 1, kafka_quotas 1; 0 entries were there and stay as they are"],
            host.Log.Skip(before));
        host.LogIn("ada", "lovelace");
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.SendAsync(HttpMethod.Get, "/api/users")).StatusCode);
    }

    [Fact]
    public async Task An_import_that_ends_early_says_what_it_has_made_until_then()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PutAsync("/api/vhosts/v", "{}");
        await LogsAsync(
            host,
            "User 'guest' imported definitions into virtual host 'v', which ended early: queues[1] 'b': invalid arg 'x-max-length' for queue 'b' in vhost 'v': expected an integer, got 'many'. Until then: created queues 1; changed nothing; 0 entries were there and stay as they are",
            () => host.PostAsync("/api/definitions/v", """{"queues":[{"name":"a","durable":true},{"name":"b","durable":true,"arguments":{"x-max-length":"many"}}]}""", HttpStatusCode.BadRequest));
    }

    [Fact]
    public async Task What_Kafka_sets_goes_in_whole_or_not_at_all()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        string Import(int from, int count) => $$"""{"kafka_client_metrics":[{{string.Join(',', Enumerable.Range(from, count).Select(static i => $$$"""{"name":"m{{{i}}}","config":{"interval.ms":"1000"}}"""))}}]}""";
        long revision = host.Revision;
        await host.PostAsync("/api/definitions", Import(0, 999), HttpStatusCode.NoContent);
        Assert.Equal(revision + 1, host.Revision);
        await LogsAsync(
            host,
            "User 'guest' imported definitions, which ended early: kafka_client_metrics[3] 'm1000': There can be 1000 at most, and there is no room for this one. Until then: created nothing; changed nothing; 0 entries were there and stay as they are",
            () => host.PostAsync("/api/definitions", Import(997, 5), HttpStatusCode.BadRequest));
        Assert.Equal(revision + 1, host.Revision);
        Assert.Equal(999, (await host.GetAsync("/api/definitions"))["kafka_client_metrics"]!.AsArray().Count);
        await host.PostAsync("/api/definitions", Import(998, 2), HttpStatusCode.NoContent);
        Assert.EndsWith("created kafka_client_metrics 1; changed nothing; 1 entries were there and stay as they are", host.Log.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_virtual_host_whose_limits_cannot_be_is_not_made()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await LogsAsync(
            host,
            "User 'guest' imported definitions, which ended early: vhosts[0] 'v': there is no limit 'max-wishes'; there are max-connections and max-queues. Until then: created nothing; changed nothing; 0 entries were there and stay as they are",
            () => host.PostAsync("/api/definitions", """{"vhosts":[{"name":"v","limits":{"max-queues":9,"max-wishes":3}}]}""", HttpStatusCode.BadRequest));
        Assert.Null(host.Broker.Broker.FindVirtualHost("v"));
    }

    [Fact]
    public async Task What_is_in_the_way_of_an_import_and_is_not_the_same_thing_ends_it()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        using AmqpClient client = AmqpClient.Connect(host.Amqp);
        await host.Broker.Broker.FindVirtualHost("/")!.DeclareQueueAsync(new QueueDefinition("q", false, Exclusive: true, false, Arguments.Empty), client);
        JsonNode answer = await host.PostAsync("/api/definitions", """{"queues":[{"vhost":"/","name":"q","durable":true}]}""", HttpStatusCode.BadRequest);
        Assert.StartsWith("queues[0] 'q': cannot obtain exclusive access to locked queue 'q'", answer["reason"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_there_and_differs_is_remarked_and_stays()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await host.PostAsync("/api/definitions", Definitions, HttpStatusCode.NoContent);
        int before = host.Log.Count;
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Post, "/api/definitions", """
            {
              "queues": [{"vhost":"v","name":"q","durable":true,"auto_delete":false,"arguments":{"x-max-length":1}}],
              "topics": [{"vhost":"v","name":"t","partitions":7}],
              "exchanges": [{"vhost":"v","name":"e","type":"direct","durable":true,"auto_delete":false,"internal":false,"arguments":{}}]
            }
            """);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        string[] remarks = [.. answer.Headers.GetValues(RemarkHeader.Name)];
        Assert.Equal(3, remarks.Length);
        Assert.StartsWith("The queue 'q' in virtual host 'v' is there already and stays as it is, other than in the file: inequivalent arg 'x-max-length'", remarks[0], StringComparison.Ordinal);
        Assert.Equal("The topic 't' in virtual host 'v' is there already and stays as it is, other than in the file: it has 3 partitions and not 7; of its configuration is set: retention.ms=60000.", remarks[1]);
        Assert.StartsWith("The exchange 'e' in virtual host 'v' is there already and stays as it is, other than in the file: inequivalent arg 'type'", remarks[2], StringComparison.Ordinal);
        Assert.Equal(remarks, host.Log.Skip(before).SkipLast(1));
        Assert.Equal(3, host.Broker.Broker.FindVirtualHost("v")!.FindTopic("t")!.Partitions.Count);
    }

    [Fact]
    public async Task Remarks_are_bounded_and_have_any_letter()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        string[] names = [.. Enumerable.Range(0, 12).Select(static index => $"straße 100% {index}")];
        foreach (string name in names)
        {
            await host.PutAsync($"/api/queues/%2F/{Uri.EscapeDataString(name)}", """{"durable":true}""");
        }

        string queues = string.Join(',', names.Select(static name => $$"""{"vhost":"/","name":"{{name}}","durable":false}"""));
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Post, "/api/definitions", $$"""{"queues":[{{queues}}]}""");
        string[] remarks = [.. answer.Headers.GetValues(RemarkHeader.Name).Select(Uri.UnescapeDataString)];
        Assert.InRange(remarks.Length, 3, RemarkHeader.CountMax);
        Assert.StartsWith("The queue 'straße 100% 0' in", remarks[0], StringComparison.Ordinal);
        Assert.Equal("There is more to say: the broker's log has it.", remarks[^1]);
        Assert.Equal(12, host.Log.Count(static line => line.StartsWith("The queue 'straße 100%", StringComparison.Ordinal)));
    }

    [Fact]
    public void Remarks_are_few_and_take_little_room_whatever_is_in_them()
    {
        HeaderDictionary many = [];
        HeaderDictionary large = [];
        HeaderDictionary huge = [];
        for (int i = 0; i < 20; i++)
        {
            RemarkHeader.Add(many, $"{i}");
            RemarkHeader.Add(large, new string('貓', 30));
            RemarkHeader.Add(huge, new string('\n', 10_000));
        }

        IEnumerable<string?> first = Enumerable.Range(0, RemarkHeader.CountMax - 1).Select(static index => $"{index}");
        Assert.Equal(first.Append("There is more to say: the broker's log has it."), many[RemarkHeader.Name].AsEnumerable());
        foreach (HeaderDictionary headers in (HeaderDictionary[])[large, huge])
        {
            string[] remarks = [.. headers[RemarkHeader.Name].Select(static remark => remark!)];
            Assert.InRange(remarks.Length, 4, RemarkHeader.CountMax - 1);
            Assert.InRange(remarks.Sum(static remark => remark.Length), RemarkHeader.CharsMax / 2, RemarkHeader.CharsMax);
            Assert.Equal("There is more to say: the broker's log has it.", remarks[^1]);
        }

        Assert.Equal(new string('貓', 30), Uri.UnescapeDataString(large[RemarkHeader.Name][0]!));
        Assert.EndsWith("%0A...", huge[RemarkHeader.Name][0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_imported_access_list_is_one_change_and_goes_in_whole_or_not_at_all()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        static string Entry(string name, string type = "topic") =>
            $$"""{"principal":"User:ada","host":"*","permission":"allow","operation":"read","resource_type":"{{type}}","pattern_type":"literal","resource_name":"{{name}}"}""";
        long revision = host.Revision;
        await host.PostAsync("/api/definitions", $$"""{"kafka_acls":[{{Entry("a")}},{{Entry("b")}},{{Entry("c")}},{{Entry("a")}}]}""", HttpStatusCode.NoContent);
        Assert.Equal(revision + 1, host.Revision);
        string reason = (await host.PostAsync("/api/definitions", $$"""{"kafka_acls":[{{Entry("d")}},{{Entry("e", "planet")}}]}""", HttpStatusCode.BadRequest))["reason"]!.ToString();
        Assert.StartsWith("kafka_acls[1]: 'resource_type' is 'planet'", reason, StringComparison.Ordinal);
        Assert.Equal(3, (await host.GetAsync("/api/definitions"))["kafka_acls"]!.AsArray().Count);
    }

    [Fact]
    public async Task Who_deletes_the_user_of_clients_that_do_not_log_in_is_told_what_that_means()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/users/root", """{"password":"secret","tags":"administrator"}""");
        host.LogIn("root", "secret");
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await SluiceCommand.RunAsync(
            ["user", "delete", "guest", "--user", "root", "--password", "secret", "--admin-port", $"{host.AdminPort}"], new InvocationConfiguration { Output = output, Error = error }, TestContext.Current.CancellationToken);
        Assert.Equal((0, "User 'guest' deleted."), (code, output.ToString().TrimEnd()));
        const string Remark = "Kafka clients that do not log in are user 'guest' (setting Kafka:AnonymousUser), who is deleted: they are refused from now on. Let them log in, or name another user there.";
        Assert.Equal($"sluice: {Remark}", error.ToString().TrimEnd());
        Assert.Contains(Remark, host.Log);
        using HttpResponseMessage other = await host.SendAsync(HttpMethod.Delete, "/api/users/root");
        Assert.False(other.Headers.Contains(RemarkHeader.Name));
    }

    [Fact]
    public async Task Who_takes_the_permissions_of_clients_that_do_not_log_in_is_told_what_that_means()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/users/root", """{"password":"secret","tags":"administrator"}""");
        host.LogIn("root", "secret");
        using (HttpResponseMessage stillAdministrator = await host.SendAsync(HttpMethod.Delete, "/api/permissions/%2F/guest"))
        {
            Assert.Equal(HttpStatusCode.NoContent, stillAdministrator.StatusCode);
            Assert.False(stillAdministrator.Headers.Contains(RemarkHeader.Name));
        }

        await host.PutAsync("/api/users/guest", """{"password":"guest","tags":""}""", HttpStatusCode.NoContent);
        await host.PutAsync("/api/permissions/%2F/guest", """{"configure":"a","write":"b","read":"c"}""");
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Delete, "/api/permissions/%2F/guest");
        Assert.Equal(
            "Kafka clients that do not log in are user 'guest' (setting Kafka:AnonymousUser): from now on they may only do what entries of the access list allow.",
            Assert.Single(answer.Headers.GetValues(RemarkHeader.Name)));
    }

    [Fact]
    public async Task Figures_of_Kafka_clients_are_for_who_sees_their_virtual_host()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/users/ann", """{"password":"secret","tags":"management"}""");
        await host.PutAsync("/api/users/mo", """{"password":"secret","tags":"monitoring"}""");
        host.LogIn("ann", "secret");
        Assert.DoesNotContain("sluice_kafka_", await MetricsAsync(host), StringComparison.Ordinal);
        host.LogIn("mo", "secret");
        Assert.Contains("sluice_kafka_requests_total", await MetricsAsync(host), StringComparison.Ordinal);
        host.LogIn("guest", "guest");
        await host.PutAsync("/api/permissions/%2F/ann", """{"configure":"","write":"","read":""}""");
        host.LogIn("ann", "secret");
        Assert.Contains("sluice_kafka_requests_total", await MetricsAsync(host), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_sees_all_virtual_hosts_sees_the_figures_of_Kafka_clients_also_without_theirs()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await host.PutAsync("/api/users/mo", """{"password":"secret","tags":"monitoring"}""");
        await host.PutAsync("/api/users/ann", """{"password":"secret","tags":"management"}""");
        await host.DeleteAsync("/api/vhosts/%2F");
        foreach ((string user, bool sees) in new[] { ("guest", true), ("mo", true), ("ann", false) })
        {
            host.LogIn(user, user == "guest" ? user : "secret");
            Assert.Equal(sees, (await MetricsAsync(host)).Contains("sluice_kafka_requests_total", StringComparison.Ordinal));
        }
    }

    private static async Task<string> MetricsAsync(AdminHost host)
    {
        using HttpResponseMessage answer = await host.SendAsync(HttpMethod.Get, "/metrics");
        return await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    private static async Task CreateAsync(AdminHost host, string name, int partitions) =>
        Assert.True((await host.Broker.Broker.FindVirtualHost("/")!.CreateTopicAsync(new TopicDefinition(name, Guid.NewGuid(), new Dictionary<string, string>()), partitions)).IsOk);

    /// <summary>The request logs the line, or nothing, as the first of what it logs.</summary>
    private static async Task LogsAsync(AdminHost host, string? line, Func<Task> request)
    {
        int before = host.Log.Count;
        await request();
        Assert.Equal(line, host.Log.Skip(before).FirstOrDefault());
    }
}
