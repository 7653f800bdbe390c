using System.Diagnostics;
using Xunit;

namespace Sluice.Admin.Tests;

/// <summary>RabbitMQ's own command-line tool, unchanged, where a RabbitMQ package has brought it.</summary>
public sealed class RabbitMqAdminTests
{
    [Fact]
    public async Task It_works_on_the_subset()
    {
        string? tool = FindTool();
        Assert.SkipWhen(tool is null, "skipped: rabbitmqadmin is not installed");
        await using AdminHost host = await AdminHost.StartAsync();
        async Task<string> Run(params string[] args) => await RunAsync(tool!, ["-P", $"{host.AdminPort}", "-f", "tsv", .. args]);
        Assert.Contains("sluice@", await Run("show", "overview"), StringComparison.Ordinal);
        await Run("declare", "vhost", "name=other");
        await Run("declare", "queue", "name=q", "durable=true", """arguments={"x-max-length":5}""");
        await Run("declare", "exchange", "name=e", "type=topic");
        await Run("declare", "binding", "source=e", "destination=q", "routing_key=a.#");
        await Run("publish", "exchange=e", "routing_key=a.b", "payload=hello", """properties={"delivery_mode":2}""");
        Assert.Contains("q\t1", await Run("list", "queues", "name", "messages"), StringComparison.Ordinal);
        Assert.Contains("hello", await Run("get", "queue=q", "ackmode=ack_requeue_true"), StringComparison.Ordinal);
        await Run("purge", "queue", "name=q");
        Assert.Contains("a.%23", await Run("list", "bindings", "source", "properties_key"), StringComparison.Ordinal);
        await Run("delete", "binding", "source=e", "destination_type=queue", "destination=q", "properties_key=a.%23");
        await Run("declare", "user", "name=bob", "password=secret", "tags=monitoring");
        await Run("declare", "permission", "vhost=/", "user=bob", "configure=.*", "write=.*", "read=.*");
        Assert.Contains("bob", await Run("list", "users", "name"), StringComparison.Ordinal);
        await Run("declare", "policy", "name=p", "pattern=^q", """definition={"max-length":3}""", "apply-to=queues");
        Assert.Contains("max-length", await Run("list", "policies"), StringComparison.Ordinal);
        foreach (string kind in new[] { "nodes", "connections", "channels", "consumers", "exchanges", "vhosts", "permissions", "operator_policies" })
        {
            await Run("list", kind);
        }

        string file = Path.GetTempFileName();
        try
        {
            await Run("export", file);
            await Run("import", file);
        }
        finally
        {
            File.Delete(file);
        }

        await Run("delete", "policy", "name=p");
        await Run("delete", "queue", "name=q");
        await Run("delete", "exchange", "name=e");
        await Run("delete", "user", "name=bob");
        await Run("delete", "vhost", "name=other");
    }

    private static string? FindTool()
    {
        const string Packages = "/usr/lib/rabbitmq/lib";
        return Directory.Exists(Packages) && File.Exists("/usr/bin/python3")
            ? Directory.EnumerateFiles(Packages, "rabbitmqadmin", SearchOption.AllDirectories).FirstOrDefault()
            : null;
    }

    private static async Task<string> RunAsync(string tool, string[] args)
    {
        ProcessStartInfo info = new("/usr/bin/python3", [tool, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(info)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"rabbitmqadmin {string.Join(' ', args)} ended with {process.ExitCode}: {await errors}{output}");
        return output;
    }
}
