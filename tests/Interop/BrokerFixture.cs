using Sluice.BlackBox;
using Sluice.Interop;

[assembly: AssemblyFixture(typeof(BrokerFixture))]

namespace Sluice.Interop;

/// <summary>The broker that the clients are run against, one for the whole run.</summary>
public sealed class BrokerFixture : IAsyncLifetime
{
    private BrokerTarget _target = null!;

    /// <summary>The broker's address, with the default account, without a virtual host.</summary>
    public Uri Address => _target.Address;

    public async ValueTask InitializeAsync() => _target = await BrokerTarget.StartAsync();

    public ValueTask DisposeAsync() => _target is null ? ValueTask.CompletedTask : _target.DisposeAsync();
}
