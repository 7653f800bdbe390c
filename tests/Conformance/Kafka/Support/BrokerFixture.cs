using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;

[assembly: AssemblyFixture(typeof(BrokerFixture))]

namespace Sluice.Conformance.Kafka.Support;

/// <summary>
/// The broker under test, one for the whole run: the one that <c>SLUICE_KAFKA_TARGET</c> (host:port) names, else a Sluice server started for the run.
/// <c>SLUICE_KAFKA_BROKER=kafka</c> says that the named one is the real Apache Kafka.
/// </summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private BrokerProcess? _process;

    /// <summary>True when the target is the real Kafka.</summary>
    public static bool IsKafka => Environment.GetEnvironmentVariable("SLUICE_KAFKA_BROKER") == "kafka";

    public string Host { get; private set; } = "127.0.0.1";

    public int Port { get; private set; }

    /// <summary>Where AMQP clients find a Sluice server started for the run; null for a named target.</summary>
    public string? AmqpAddress => _process?.Address;

    /// <summary>Where a Sluice server started for the run is managed; 0 for a named target.</summary>
    public int AdminPort => _process?.AdminPort ?? 0;

    /// <summary>Where clients log in: the same listener, but with the real Kafka, which has another for it (<c>SLUICE_KAFKA_SASL_TARGET</c>).</summary>
    public string SaslHost { get; private set; } = "127.0.0.1";

    public int SaslPort { get; private set; }

    /// <summary>Process id of a Sluice server started for the run; null for a named target.</summary>
    public int? ProcessId => _process?.ProcessId;

    public async ValueTask InitializeAsync()
    {
        string? target = Environment.GetEnvironmentVariable("SLUICE_KAFKA_TARGET");
        if (!string.IsNullOrEmpty(target))
        {
            (Host, Port) = Parse(target);
            (SaslHost, SaslPort) = Environment.GetEnvironmentVariable("SLUICE_KAFKA_SASL_TARGET") is { Length: > 0 } sasl ? Parse(sasl) : (Host, Port);
            return;
        }

        _process = await BrokerProcess.StartAsync();
        Port = SaslPort = _process.KafkaPort;
    }

    /// <exception cref="InvalidOperationException">The broker had logged errors.</exception>
    public async ValueTask DisposeAsync()
    {
        if (_process is null)
        {
            return;
        }

        IReadOnlyList<string> errors = _process.ErrorLines;
        string log = _process.Log;
        await _process.DisposeAsync();
        if (errors.Count > 0)
        {
            throw new InvalidOperationException($"The broker logged {errors.Count} errors during the run, the first: {errors[0]}\nThe whole log:\n{log}");
        }
    }

    private static (string Host, int Port) Parse(string target)
    {
        int colon = target.LastIndexOf(':');
        return (target[..colon], int.Parse(target[(colon + 1)..]));
    }
}
