using Sluice.BlackBox;
using Sluice.Conformance.Amqp091;

[assembly: AssemblyFixture(typeof(BrokerFixture))]

namespace Sluice.Conformance.Amqp091;

/// <summary>The broker under test, one for the whole run.</summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private BrokerTarget _target = null!;

    /// <summary>The target's address.</summary>
    public Uri Address => _target.Address;

    /// <summary>True when the target is the real RabbitMQ.</summary>
    public static bool IsRabbitMq => BrokerTarget.IsRabbitMq;

    public async ValueTask InitializeAsync() => _target = await BrokerTarget.StartAsync();

    public ValueTask DisposeAsync() => _target is null ? ValueTask.CompletedTask : _target.DisposeAsync();
}
