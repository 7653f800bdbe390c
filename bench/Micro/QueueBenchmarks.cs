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

/// <summary>Publish, deliver and acknowledge through the broker core, in turns as a connection makes them; durability on the real disk.</summary>
[MemoryDiagnoser]
public class QueueBenchmarks
{
    /// <summary>A connection waits too while the journal is this far behind.</summary>
    private const long BacklogBytesMax = 8 << 20;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-micro-");
    private readonly byte[] _body = new byte[100];
    private LogStore _store = null!;
    private PublishTurn _turn = null!;
    private Holder _consumer = null!;
    private MessageQueue _queue = null!;

    /// <summary>Messages in one turn: what one read of a connection brings.</summary>
    [Params(1, 100)]
    public int TurnMessages { get; set; }

    [Params(false, true)]
    public bool Persistent { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        SystemScheduler scheduler = new();
        _store = LogStore.Open(new LogStoreOptions(), new SystemDisk(_directory.FullName), scheduler, TimeProvider.System, NullLoggerFactory.Instance);
        MessageBroker broker = MessageBroker.Open(_store, new BrokerOptions(), [], scheduler, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        VirtualHost host = broker.FindVirtualHost("/")!;
        _queue = host.DeclareQueueAsync(new QueueDefinition("q", Durable: true, Exclusive: false, AutoDelete: false, Arguments.Empty), owner: null).AsTask().GetAwaiter().GetResult().Value!;
        _consumer = new Holder { Tag = "c", Description = "benchmark", Owner = this };
        _queue.AddConsumer(_consumer);
        _turn = host.CreatePublishTurn();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _turn.Dispose();
        _store.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>Time of a whole turn: divide by its messages.</summary>
    [Benchmark]
    public long Turn()
    {
        for (int i = 0; i < TurnMessages; i++)
        {
            _turn.Publish(new MessageToPublish { RoutingKey = "q"u8, Format = PropertiesFormat.Amqp091, Properties = "\0\0"u8, Body = _body, Persistent = Persistent, Confirmed = Persistent }, (ulong)i);
        }

        _turn.Flush();
        while (_store.JournalBacklogBytes > BacklogBytesMax)
        {
            Thread.Sleep(0);
        }

        return _consumer.Settle(_queue);
    }

    private sealed class Holder : Consumer
    {
        private readonly Lock _lock = new();
        private readonly MessageId[] _held = new MessageId[1000];
        private readonly MessageId[] _settling = new MessageId[1000];
        private int _count;

        public override bool CanTake => Volatile.Read(ref _count) < _held.Length;

        public override void Deliver(in Delivery delivery)
        {
            lock (_lock)
            {
                _held[_count++] = delivery.Id;
            }
        }

        public override void EndRun()
        {
        }

        public override void Cancelled()
        {
        }

        public int Settle(MessageQueue queue)
        {
            int count;
            lock (_lock)
            {
                count = _count;
                _held.AsSpan(0, count).CopyTo(_settling);
                _count = 0;
            }

            if (count > 0)
            {
                queue.Settle(_settling.AsSpan(0, count));
                queue.Resume(this);
            }

            return count;
        }
    }
}
