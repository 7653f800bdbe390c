namespace Sluice.Interop;

/// <summary>amqp-tools: the command line programs of librabbitmq (C).</summary>
public sealed class AmqpToolsTests(BrokerFixture broker)
{
    private string[] Server => ["-u", broker.Address.OriginalString];

    [Fact]
    public async Task Publish_get_and_delete()
    {
        string queue = $"tools.{Guid.NewGuid():N}";
        Assert.Equal(queue, (await RunAsync("amqp-declare-queue", "-d", "-q", queue)).Trim());
        await RunAsync("amqp-publish", "-r", queue, "-p", "-C", "text/plain", "-b", "first");
        Assert.Equal("first", (await RunAsync("amqp-get", "-q", queue)).Trim());
        (int code, string output) = await ClientProgram.RunForCodeAsync("amqp-get", [.. Server, "-q", queue]);
        Assert.Equal((2, ""), (code, output));
        Assert.Equal("0", (await RunAsync("amqp-delete-queue", "-q", queue)).Trim());
    }

    [Fact]
    public async Task Publish_lines_and_consume_them_by_a_command()
    {
        string queue = $"tools.{Guid.NewGuid():N}";
        await RunAsync("amqp-declare-queue", "-q", queue);
        await ClientProgram.RunAsync("amqp-publish", [.. Server, "-r", queue, "-l"], input: "one\ntwo\nthree\n");
        string output = await RunAsync("amqp-consume", "-q", queue, "-c", "3", "cat");
        Assert.Equal(["one", "two", "three"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        await RunAsync("amqp-delete-queue", "-q", queue);
    }

    [Fact]
    public async Task Consume_through_a_bound_server_named_queue()
    {
        string key = $"tools.{Guid.NewGuid():N}";
        Task<string> consuming = RunAsync("amqp-consume", "-e", "amq.topic", "-r", key + ".#", "-c", "1", "cat");

        // The consumer's queue exists some time after its start: publish until it has taken one.
        while (!consuming.IsCompleted)
        {
            await RunAsync("amqp-publish", "-e", "amq.topic", "-r", key + ".x", "-b", "through");
            await Task.WhenAny(consuming, Task.Delay(100));
        }

        Assert.EndsWith("through", (await consuming).TrimEnd());
    }

    [Fact]
    public async Task Publish_to_a_missing_exchange_is_reported()
    {
        (int code, string output) = await ClientProgram.RunForCodeAsync("amqp-get", [.. Server, "-q", "conformance.missing"]);
        Assert.NotEqual(0, code);
        Assert.Contains("404", output);
    }

    private Task<string> RunAsync(string program, params string[] arguments) => ClientProgram.RunAsync(program, [.. Server, .. arguments]);
}
