using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;

namespace Sluice.Bench.Micro;

/// <summary>One message to many queues: the time of a copy must not grow with their number.</summary>
[MemoryDiagnoser]
public class FanOutBenchmarks
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-micro-");
    private readonly byte[] _body = new byte[100];
    private readonly List<MessageQueue> _queues = [];
    private LogStore _store = null!;
    private PublishTurn _turn = null!;

    [Params(100, 1_000, 10_000)]
    public int Queues { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        SystemScheduler scheduler = new();
        _store = LogStore.Open(new LogStoreOptions(), new SystemDisk(_directory.FullName), scheduler, TimeProvider.System, NullLoggerFactory.Instance);
        VirtualHost host = MessageBroker.Open(_store, new BrokerOptions(), [], scheduler, TimeProvider.System, new Random(1), NullLoggerFactory.Instance).FindVirtualHost("/")!;
        for (int i = 0; i < Queues; i++)
        {
            var definition = new QueueDefinition($"q{i}", Durable: false, Exclusive: false, AutoDelete: false, new Arguments(new Dictionary<string, object?> { ["x-max-length"] = 10L }));
            _queues.Add(host.DeclareQueueAsync(definition, owner: null).AsTask().GetAwaiter().GetResult().Value!);
            _ = host.BindAsync("amq.fanout", DestinationKind.Queue, definition.Name, "", Arguments.Empty, owner: null).AsTask().GetAwaiter().GetResult();
        }

        _turn = host.CreatePublishTurn();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _turn.Dispose();
        _store.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>Time of all copies: divide by the queues.</summary>
    [Benchmark]
    public void OneToAll()
    {
        _turn.Publish(new MessageToPublish { Exchange = "amq.fanout"u8, Body = _body }, 0);
        _turn.Flush();
    }
}
