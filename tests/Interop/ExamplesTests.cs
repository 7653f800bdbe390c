using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>Every program under examples/ runs to its end and shows what it promises.</summary>
public sealed class ExamplesTests(BrokerFixture broker)
{
    [Theory]
    [InlineData("Tutorials/1-HelloWorld/HelloWorld", "[x] Received 'Hello World!'")]
    [InlineData("Tutorials/2-WorkQueues/WorkQueues", "[worker 2] has gone", "(again)", "[x] All 10 tasks are done")]
    [InlineData("Tutorials/3-PublishSubscribe/PublishSubscribe", "[screen] 'info: Hello World!'", "[disk] 'info: Hello World!'")]
    [InlineData("Tutorials/4-Routing/Routing", "[screen] 'info':'started'", "[screen] 'error':'disk is full'", "[pager] 'error':'disk is full'")]
    [InlineData("Tutorials/5-Topics/Topics", "[*.orange.*] 'quick.orange.rabbit'", "[*.*.rabbit, lazy.#] 'lazy.pink.rabbit'")]
    [InlineData("Tutorials/6-Rpc/Rpc", "[server] fib(30)", "[.] Got '832040'")]
    [InlineData("Tutorials/7-PublisherConfirms/PublisherConfirms", "one at a time: 500 messages confirmed", "500 in the queue", "as they come: 5000 messages confirmed", "5000 in the queue")]
    [InlineData("AsynchronousProcessing/AsynchronousProcessing", "mails sent: 20 of 20, SMS sent: 20 of 20, twice: 0")]
    [InlineData("Decoupling/Decoupling", "orders 21–60 accepted all the same; inventory has handled 20, 40 wait", "inventory is back and has handled 60 of 60", "no order was lost")]
    [InlineData("PeakShaving/PeakShaving", "redirected to /sold-out", "never more than 100", "booked by two workers: 100 in")]
    [InlineData("RequestReply/RequestReply", "1 4 9 16 25", "timed out after 300 ms", "still answered rightly: 144", "dropped", "no queue 'nobody-serves-this' (312 NO_ROUTE)")]
    public async Task Example(string example, params string[] expected)
    {
        string folder = Path.Combine(Repository.Root, "examples", Path.GetDirectoryName(example)!);
        string program = Path.Combine(folder, "bin/Release/net10.0", Path.GetFileName(example) + ".dll");
        Assert.True(File.Exists(program), $"{program} is missing: run `dotnet build -c Release` on the solution first");
        var environment = new Dictionary<string, string> { ["AMQP_URL"] = broker.Address.OriginalString + "/" };
        string output = await ClientProgram.RunAsync("dotnet", [program], environment: environment, folder: folder);
        foreach (string part in expected)
        {
            Assert.Contains(part, output);
        }
    }
}
