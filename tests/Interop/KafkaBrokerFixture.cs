using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>A broker that Kafka clients are run against. Its groups do not wait for more members.</summary>
public sealed class KafkaBrokerFixture : IAsyncLifetime
{
    private BrokerProcess _broker = null!;

    /// <summary>The listener, for clients.</summary>
    public string BootstrapServer => $"127.0.0.1:{_broker.KafkaPort}";

    /// <summary>The listener for AMQP clients.</summary>
    public int AmqpPort => _broker.Port;

    /// <summary>The listener of the management API.</summary>
    public int AdminPort => _broker.AdminPort;

    public async ValueTask InitializeAsync() =>
        _broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0" });

    public ValueTask DisposeAsync() => _broker is null ? ValueTask.CompletedTask : _broker.DisposeAsync();
}
