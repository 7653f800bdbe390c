using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Commands;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>The verbs of the sluice command against a broker in this process.</summary>
public sealed class CommandTests
{
    [Fact]
    public async Task Queues_exchanges_and_bindings()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await Ok(host, "queue", "declare", "orders", "--type", "quorum", "--argument", "x-max-length=5");
        Assert.Equal("Queue 'orders' was there already.\n", await Ok(host, "queue", "declare", "orders", "--type", "quorum", "--argument", "x-max-length=5"));
        await Ok(host, "exchange", "declare", "events", "--type", "topic");
        await Ok(host, "binding", "declare", "events", "orders", "--key", "order.#");
        string table = await Ok(host, "queue", "list");
        Assert.Contains("orders", table, StringComparison.Ordinal);
        Assert.Contains("quorum", table, StringComparison.Ordinal);
        JsonNode list = JsonNode.Parse(await Ok(host, "queue", "list", "--json"))!;
        Assert.Equal("orders", Assert.Single(list.AsArray())!["name"]!.ToString());
        Assert.Contains("order.#", await Ok(host, "binding", "list"), StringComparison.Ordinal);
        await Ok(host, "binding", "delete", "events", "orders", "--key", "order.#");
        Assert.Contains("no binding", await Fails(host, 1, "binding", "delete", "events", "orders", "--key", "order.#"), StringComparison.Ordinal);
        Assert.Contains("no queue 'nothere' in vhost '/'. 'sluice queue list' shows those there are;", await Fails(host, 1, "binding", "declare", "events", "nothere"), StringComparison.Ordinal);
        await Ok(host, "exchange", "delete", "events");
        await Ok(host, "queue", "delete", "orders");
        Assert.Equal("none\n", await Ok(host, "queue", "list"));
    }

    [Fact]
    public async Task Users_virtual_hosts_and_policies()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await Ok(host, "vhost", "declare", "v");
        await Ok(host, "user", "add", "u", "--new-password", "one", "--tag", "monitoring");
        await Ok(host, "user", "permit", "u", "--vhost", "v", "--write", "^x");
        Assert.Equal("v|^$|^x|^$", await PermissionsAsync(host));
        await Ok(host, "user", "permit", "u", "--vhost", "v", "--read", "^y", "--configure", ".*");
        Assert.Equal("v|.*|^x|^y", await PermissionsAsync(host));
        Assert.Contains("--read", await Fails(host, 1, "user", "permit", "u", "--vhost", "v"), StringComparison.Ordinal);
        await Ok(host, "user", "tags", "u", "administrator", "management");
        await Ok(host, "user", "passwd", "u", "--new-password", "two");
        Assert.Contains("administrator, management", await Ok(host, "user", "list"), StringComparison.Ordinal);
        Assert.Contains("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", await Ok(host, "user", "list"), StringComparison.Ordinal);
        host.LogIn("u", "two");
        await host.GetAsync("/api/users");
        await Ok(host, "user", "forbid", "u", "--vhost", "v");
        await Ok(host, "user", "delete", "u");
        await Ok(host, "policy", "declare", "p", "^q", "--set", "message-ttl=1000", "--apply-to", "queues", "--vhost", "v");
        Assert.Contains("message-ttl", await Ok(host, "policy", "list", "--vhost", "v"), StringComparison.Ordinal);
        await Ok(host, "policy", "delete", "p", "--vhost", "v");
        await Ok(host, "vhost", "delete", "v");
        Assert.DoesNotContain("v ", await Ok(host, "vhost", "list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publish_consume_and_purge()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        await Ok(host, "queue", "declare", "q");
        await OkAmqp(host, "publish", "q", "hello", "--header", "n=1", "--content-type", "text/plain", "--count", "3");
        Assert.Equal("hello\nhello\n", await OkAmqp(host, "consume", "q", "--count", "2"));
        JsonNode peeked = JsonNode.Parse(await OkAmqp(host, "consume", "q", "--count", "1", "--peek", "--json"))!;
        Assert.Equal(1, peeked["properties"]!["headers"]!["n"]!.GetValue<int>());
        await host.EventuallyAsync("/api/queues/%2F/q", queue => queue["messages_ready"]!.GetValue<int>() == 1);
        Assert.Equal("1 messages dropped from queue 'q'.\n", await OkAmqp(host, "purge", "q"));
        (int code, string output, string error) = await Run(["consume", "q", "--count", "1", "--wait", "0.2", .. Amqp(host)]);
        Assert.Equal((1, "", "sluice: Nothing came; no more within 0.2 s."), (code, output, error.TrimEnd()));
    }

    [Fact]
    public async Task A_message_for_nobody_is_an_error_that_says_so()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        (int code, _, string error) = await Run(["publish", "nowhere", "hello", .. Amqp(host)]);
        Assert.Equal(1, code);
        Assert.Contains("312 NO_ROUTE", error, StringComparison.Ordinal);
        Assert.Contains("nowhere", error, StringComparison.Ordinal);
        await OkAmqp(host, "publish", "nowhere", "hello", "--optional");
    }

    [Fact]
    public async Task Status_and_connections()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        Assert.Contains($"port {host.AmqpPort}", await Ok(host, "status"), StringComparison.Ordinal);
        host.Broker.Broker.SetBlocked("low on disk space");
        (int code, string output, _) = await Run(["status", "--admin-port", $"{host.AdminPort}"]);
        Assert.Equal(2, code);
        Assert.Contains("low on disk space", output, StringComparison.Ordinal);
        host.Broker.Broker.SetBlocked(null);
        using LoadGenerator.Client.AmqpClient client = LoadGenerator.Client.AmqpClient.Connect(host.Amqp);
        string name = (await host.GetAsync("/api/connections"))[0]!["name"]!.ToString();
        Assert.Contains(name, await Ok(host, "connection", "list"), StringComparison.Ordinal);
        await Ok(host, "connection", "close", name);
    }

    [Fact]
    public async Task Bench_reports_rates_and_latencies()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        JsonNode result = JsonNode.Parse(await OkAmqp(host, "bench", "amqp", "--count", "2000", "--confirms", "100", "--ack-every", "10", "--durable", "--persistent", "--json"))!;
        Assert.Equal(2000, result["totalConsumed"]!.GetValue<int>());
        Assert.True(result["latency"]!["p99Us"]!.GetValue<double>() > 0);
        (int code, _, string error) = await Run(["bench", "amqp", "--size", "large", .. Amqp(host)]);
        Assert.Equal(1, code);
        Assert.Contains("--size cannot be 'large'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Definitions_are_written_to_a_file_and_read_from_it()
    {
        string file = Path.GetTempFileName();
        try
        {
            await using AdminHost host = await AdminHost.StartAsync();
            await Ok(host, "queue", "declare", "kept");
            await Ok(host, "definitions", "export", file);
            await Ok(host, "queue", "delete", "kept");
            await Ok(host, "definitions", "import", file);
            Assert.Contains("kept", await Ok(host, "queue", "list"), StringComparison.Ordinal);
            Assert.Equal(File.ReadAllText(file), await Ok(host, "definitions", "export", "-"));
            Assert.False(File.Exists("-"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_file_of_definitions_is_its_owners_alone()
    {
        string directory = Directory.CreateTempSubdirectory("sluice-definitions-").FullName;
        try
        {
            await using AdminHost host = await AdminHost.StartAsync();
            string fresh = Path.Combine(directory, "fresh.json"), old = Path.Combine(directory, "old.json");
            File.WriteAllText(old, "");
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(old, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
                await Ok(host, "definitions", "export", fresh);
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fresh));
                (int code, _, string error) = await Run(["definitions", "export", old, "--admin-port", $"{host.AdminPort}"]);
                Assert.Equal(0, code);
                Assert.Contains("mode 604", error, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task Definitions_are_read_from_standard_input()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        TextReader before = Console.In;
        using StringReader definitions = new("{\"queues\":[{\"vhost\":\"/\",\"name\":\"piped\",\"durable\":true,\"auto_delete\":false,\"arguments\":{}}]}");
        Console.SetIn(definitions);
        try
        {
            Assert.Equal("Definitions of standard input are in force.\n", await Ok(host, "definitions", "import", "-"));
        }
        finally
        {
            Console.SetIn(before);
        }

        Assert.Contains("piped", await Ok(host, "queue", "list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Topics_and_streams_that_are_deleted_or_purged_as_queues_are_called_so()
    {
        await using AdminHost host = await AdminHost.StartAsync(withKafka: true);
        await OkWith(["topic", "create", "orders", "--partitions", "2", "--bootstrap-server", $"127.0.0.1:{host.KafkaPort}"]);
        await Ok(host, "queue", "declare", "events", "--type", "stream");
        foreach (string name in (string[])["orders", "events"])
        {
            (int code, _, string error) = await Run(["purge", name, .. Amqp(host)]);
            Assert.Equal(1, code);
            Assert.StartsWith($"sluice: '{name}' is a topic or stream, which cannot be purged:", error, StringComparison.Ordinal);
        }

        Assert.Equal("Topic 'orders' deleted: it was no queue, but a topic of 2 partitions, whose records are gone with it.\n", await Ok(host, "queue", "delete", "orders"));
        Assert.Equal("Stream 'events' deleted.\n", await Ok(host, "queue", "delete", "events"));
    }

    [Fact]
    public async Task Without_a_broker_the_error_says_what_to_do()
    {
        (int code, _, string error) = await Run(["queue", "list", "--admin-port", "1"]);
        Assert.Equal(1, code);
        Assert.Contains("sluice serve", error, StringComparison.Ordinal);
        (code, _, error) = await Run(["purge", "q", "--port", "1"]);
        Assert.Equal(1, code);
        Assert.Contains("sluice serve", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_says_how_to_give_another()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        string error = await Fails(host, 1, "queue", "list", "--password", "wrong");
        Assert.Contains("--user", error, StringComparison.Ordinal);
        Assert.Contains("--new-password", await Fails(host, 1, "user", "add", "alice", "--password", "secret1"), StringComparison.Ordinal);
    }

    private static string[] Amqp(AdminHost host) => ["--port", $"{host.AmqpPort}"];

    private static async Task<string> Ok(AdminHost host, params string[] args) => await OkWith([.. args, "--admin-port", $"{host.AdminPort}"]);

    private static async Task<string> OkAmqp(AdminHost host, params string[] args) => await OkWith([.. args, .. Amqp(host)]);

    private static async Task<string> OkWith(string[] args)
    {
        (int code, string output, string error) = await Run(args);
        Assert.True(code == 0, $"sluice {string.Join(' ', args)} ended with {code}: {error}{output}");
        return output;
    }

    [Theory]
    [InlineData("queues", "there is no command 'sluice queues' (did you mean 'queue'?). See 'sluice --help'.")]
    [InlineData("queue", "'sluice queue' is to be followed by list, declare, delete. See 'sluice queue --help'.")]
    [InlineData("queue list --jsn", "there is no option '--jsn' for 'sluice queue list' (did you mean '--json'?). See 'sluice queue list --help'.")]
    [InlineData("status --port 5673", "there is no option '--port' for 'sluice status' (did you mean '--admin-port'?). See 'sluice status --help'.")]
    [InlineData("queue declare", "'sluice queue declare' needs the argument <name>. See 'sluice queue declare --help'.")]
    [InlineData("queue declare a b", "'b' is one argument too many for 'sluice queue declare'. See 'sluice queue declare --help'.")]
    [InlineData("queue declare a --argument", "--argument needs a value. See 'sluice queue declare --help'.")]
    [InlineData("queue declare a --argument x-max-length", "'x-max-length' is not of the form key=value; for example --argument x-message-ttl=60000. See 'sluice queue declare --help'.")]
    [InlineData("queue list --admin-port http", "--admin-port takes a whole number, not 'http'. See 'sluice queue list --help'.")]
    [InlineData("queue declare a --type lazy", "Argument 'lazy' not recognized. Must be one of: 'classic' 'quorum' 'stream'. See 'sluice queue declare --help'.")]
    public async Task A_command_line_that_is_not_understood_gets_one_line(string line, string problem)
    {
        (int code, string output, string error) = await Run(line.Split(' '));
        Assert.Equal((1, "", $"sluice: {problem}"), (code, output, error.TrimEnd()));
    }

    [Fact]
    public async Task A_value_that_the_broker_refuses_gets_an_example()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        string error = await Fails(host, 1, "queue", "declare", "q", "--argument", "x-message-ttl=soon");
        Assert.Contains("invalid arg 'x-message-ttl' for queue 'q' in vhost '/': expected an integer, got 'soon'. Arguments are given as --argument key=value, for example --argument ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reason_that_is_a_sentence_ends_with_one_full_stop()
    {
        await using AdminHost host = await AdminHost.StartAsync();
        string error = await Fails(host, 1, "policy", "declare", "p", "(", "--set", "max-length=1");
        Assert.DoesNotContain("..", error, StringComparison.Ordinal);
        Assert.EndsWith(".", error.TrimEnd(), StringComparison.Ordinal);
    }

    private static async Task<string> PermissionsAsync(AdminHost host)
    {
        JsonNode one = Assert.Single(JsonNode.Parse(await Ok(host, "user", "permissions", "u", "--json"))!.AsArray())!;
        return $"{one["vhost"]}|{one["configure"]}|{one["write"]}|{one["read"]}";
    }

    private static async Task<string> Fails(AdminHost host, int expected, params string[] args)
    {
        (int code, _, string error) = await Run([.. args, "--admin-port", $"{host.AdminPort}"]);
        Assert.Equal(expected, code);
        return error;
    }

    private static async Task<(int Code, string Output, string Error)> Run(string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await SluiceCommand.RunAsync(args, new InvocationConfiguration { Output = output, Error = error }, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
