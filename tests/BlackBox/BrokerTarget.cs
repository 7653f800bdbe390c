namespace Sluice.BlackBox;

/// <summary>
/// The broker that a test run talks to. <c>SLUICE_CONFORMANCE_TARGET</c> names a running one by its AMQP address; unset, a Sluice
/// server is started for the run. <c>SLUICE_CONFORMANCE_BROKER=rabbitmq</c> says that the target is the real RabbitMQ 3.10, so that tests of
/// what it lacks or does otherwise are skipped with their reason.
/// </summary>
public sealed class BrokerTarget : IAsyncDisposable
{
    private readonly BrokerProcess? _process;

    private BrokerTarget(string address, BrokerProcess? process)
    {
        Address = new Uri(address.TrimEnd('/'));
        _process = process;
    }

    /// <summary>The target's address, without a path: the default virtual host.</summary>
    public Uri Address { get; }

    /// <summary>True when the target is the real RabbitMQ.</summary>
    public static bool IsRabbitMq => Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_BROKER") == "rabbitmq";

    /// <summary>Connects the run to its broker, starting one when none is named.</summary>
    public static async Task<BrokerTarget> StartAsync()
    {
        string? named = Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_TARGET");
        if (!string.IsNullOrEmpty(named))
        {
            return new BrokerTarget(named, process: null);
        }

        BrokerProcess process = await BrokerProcess.StartAsync();
        return new BrokerTarget(process.Address, process);
    }

    /// <summary>Ends a broker that was started for the run.</summary>
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
}
