namespace Sluice.Interop;

/// <summary>amqplib (Node).</summary>
public sealed class AmqplibTests(BrokerFixture broker)
{
    [Theory]
    [InlineData("hello")]
    [InlineData("workQueue")]
    [InlineData("publishSubscribe")]
    [InlineData("topics")]
    [InlineData("rpc")]
    [InlineData("directReplyTo")]
    [InlineData("confirms")]
    [InlineData("mandatory")]
    [InlineData("properties")]
    [InlineData("channelError")]
    [InlineData("consumerCancel")]
    [InlineData("prefetch")]
    [InlineData("largeMessages")]
    public async Task Amqplib(string scenario)
    {
        string output = await ClientProgram.RunAsync("node", ["node/amqplib_scenarios.mjs", broker.Address.OriginalString, scenario]);
        Assert.Contains($"ok {scenario}", output);
    }
}
