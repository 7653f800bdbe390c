namespace Sluice.Interop;

/// <summary>pika (Python), as Debian packages it.</summary>
public sealed class PikaTests(BrokerFixture broker)
{
    [Theory]
    [InlineData("hello")]
    [InlineData("work_queue")]
    [InlineData("publish_subscribe")]
    [InlineData("routing")]
    [InlineData("topics")]
    [InlineData("rpc")]
    [InlineData("confirms")]
    [InlineData("transactions")]
    [InlineData("properties")]
    [InlineData("dead_letters")]
    [InlineData("consumer_cancel")]
    [InlineData("channel_error")]
    [InlineData("select_connection")]
    [InlineData("asyncio_connection")]
    public async Task Pika(string scenario)
    {
        string output = await ClientProgram.RunAsync(ClientProgram.Python, ["python/pika_scenarios.py", $"{broker.Address.OriginalString}/%2F", scenario]);
        Assert.Contains($"ok {scenario}", output);
    }
}
