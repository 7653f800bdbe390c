using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Xunit;

namespace Sluice.Budget;

/// <summary>A broker core with the real disk, clock and threads, in a directory that goes with it.</summary>
internal sealed class TemporaryBroker : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-budget-");

    public TemporaryBroker()
    {
        SystemScheduler scheduler = new();
        Store = LogStore.Open(new LogStoreOptions(), new SystemDisk(_directory.FullName), scheduler, TimeProvider.System, NullLoggerFactory.Instance);
        Broker = MessageBroker.Open(Store, new BrokerOptions(), [], scheduler, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
    }

    public LogStore Store { get; }

    public MessageBroker Broker { get; }

    public VirtualHost Host => Broker.FindVirtualHost("/")!;

    public async Task<MessageQueue> DeclareAsync(string name, params (string Name, object? Value)[] arguments)
    {
        BrokerResult<MessageQueue> result = await Host.DeclareQueueAsync(new QueueDefinition(name, Durable: true, Exclusive: false, AutoDelete: false, Of(arguments)), owner: null);
        Assert.True(result.IsOk, result.Detail);
        return result.Value!;
    }

    public async Task BindAsync(string exchange, string queue, string key)
    {
        BrokerResult result = await Host.BindAsync(exchange, DestinationKind.Queue, queue, key, Arguments.Empty, owner: null);
        Assert.True(result.IsOk, result.Detail);
    }

    public void Dispose()
    {
        Store.Dispose();
        _directory.Delete(recursive: true);
    }

    private static Arguments Of((string Name, object? Value)[] arguments) => new(arguments.ToDictionary(argument => argument.Name, argument => argument.Value));
}
