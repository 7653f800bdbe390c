using Sluice.BlackBox;

namespace Sluice.Client.Tests.Support;

/// <summary>
/// The broker that the client is run against: a Sluice server of its own, or the one that <c>SLUICE_KAFKA_BROKER</c> names as host:port, such as Apache Kafka.
/// </summary>
public sealed class LiveBroker : IAsyncLifetime
{
    private BrokerProcess? _process;
    private int _names;

    /// <summary>For clients.</summary>
    public string Address { get; private set; } = "";

    /// <summary>The management API of a Sluice server of its own; 0 for another.</summary>
    public int AdminPort => _process?.AdminPort ?? 0;

    /// <summary>Where clients log in: the same, but for a named broker, which has another listener for it (<c>SLUICE_KAFKA_SASL_TARGET</c>); null if that is not named.</summary>
    public string? SaslAddress { get; private set; }

    public string Host => Address.Split(':')[0];

    public int Port => int.Parse(Address.Split(':')[1]);

    public async ValueTask InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("SLUICE_KAFKA_BROKER") is { Length: > 0 } named)
        {
            Address = named;
            SaslAddress = Environment.GetEnvironmentVariable("SLUICE_KAFKA_SASL_TARGET");
            return;
        }

        _process = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" });
        SaslAddress = Address = $"127.0.0.1:{_process.KafkaPort}";
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            IReadOnlyList<string> errors = _process.ErrorLines;
            await _process.DisposeAsync();
            Assert.Empty(errors);
        }
    }

    /// <summary>A name that no test has used.</summary>
    public string NewName(string purpose) => $"{purpose}-{Environment.ProcessId}-{Environment.TickCount64}-{Interlocked.Increment(ref _names)}";
}
