using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>The programs under examples/ that use Kafka's protocol run to their ends and show what they promise, against a broker with the settings that everybody has: groups wait for members.</summary>
public abstract class KafkaExamplesTests : IAsyncLifetime
{
    private BrokerProcess _broker = null!;

    public async ValueTask InitializeAsync() => _broker = await BrokerProcess.StartAsync();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }
    }

    protected Task<string> RunAsync(string program, string argument, string folder) =>
        ClientProgram.RunAsync(program, [argument], TimeSpan.FromMinutes(3), environment: new Dictionary<string, string> { ["KAFKA_BOOTSTRAP"] = $"127.0.0.1:{_broker.KafkaPort}" }, folder: folder);
}

/// <summary>The example whose groups wait for members.</summary>
public sealed class KafkaStreamExampleTests : KafkaExamplesTests
{
    [Fact]
    public async Task Event_streams_are_processed_exactly_once()
    {
        string folder = Path.Combine(Repository.Root, "examples", "EventStreams");
        string program = Path.Combine(folder, "bin/Release/net10.0/EventStreams.dll");
        Assert.True(File.Exists(program), $"{program} is missing: run `dotnet build -c Release` on the solution first");
        string output = await RunAsync("dotnet", program, folder);
        Assert.Contains("6 processors, 5 of them thrown away within a transaction", output);
        Assert.Matches(@"alerts: (\d+) of \1, twice: 0", output);
    }
}

/// <summary>The examples in Python.</summary>
public sealed class KafkaPythonExamplesTests : KafkaExamplesTests
{
    [Fact]
    public async Task A_change_feed_keeps_replicas_equal_to_their_source()
    {
        string folder = Path.Combine(Repository.Root, "examples", "DataSynchronisation");
        string output = await RunAsync(ClientProgram.Python, "replicate.py", folder);
        Assert.Contains("the early replica equals its source: True", output);
        Assert.Contains("and again after more changes: True", output);
        Assert.Contains("a replica that comes late equals its source: True", output);
        Assert.Contains("of the 20000 changes: True", output);
    }

    [Fact]
    public async Task Logs_shipped_by_rsyslog_are_indexed_and_replayed()
    {
        string output = await RunAsync(ClientProgram.Python, "pipeline.py", Path.Combine(Repository.Root, "examples", "LogPipeline"));
        Assert.Contains("indexed 5000 of 5000 lines", output);
        Assert.Contains("2500 lines, the same as indexed first: True", output);
    }
}
