using Sluice.BlackBox;
using Sluice.Conformance.Amqp091;

[assembly: AssemblyFixture(typeof(BrokerFixture))]

namespace Sluice.Conformance.Amqp091;

/// <summary>
/// The broker under test. <c>SLUICE_CONFORMANCE_TARGET</c> names a running one by its AMQP address; unset, a Sluice server is
/// started for the run. <c>SLUICE_CONFORMANCE_BROKER=rabbitmq</c> says that the target is the real RabbitMQ 3.10, so that tests of what it
/// lacks or does otherwise are skipped with their reason.
/// </summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private BrokerProcess? _process;

    /// <summary>The target's address.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>True when the target is the real RabbitMQ.</summary>
    public static bool IsRabbitMq => Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_BROKER") == "rabbitmq";

    public async ValueTask InitializeAsync()
    {
        string? target = Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_TARGET");
        if (string.IsNullOrEmpty(target))
        {
            _process = await BrokerProcess.StartAsync();
            target = _process.Address;
        }

        Address = new Uri(target.TrimEnd('/'));
    }

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
}
