using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Scheduling;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Broker.Tests.Queues;

/// <summary>A broker on a disk in memory, with virtual time and work that runs when the test says so.</summary>
internal sealed class TestBroker : IDisposable
{
    private static readonly LogStoreOptions s_small = new() { SegmentBytes = 64 << 10, TailBytesPerLogMax = 16 << 10, TailBytesMax = 256 << 10, JournalBytesMax = 1 << 20 };
    private readonly LogStoreOptions _storeOptions;
    private readonly BrokerOptions _options;
    private readonly IReadOnlyList<IPropertiesReader> _formats;
    private PublishTurn? _turn;

    public TestBroker(LogStoreOptions? storeOptions = null, BrokerOptions? options = null, params IPropertiesReader[] formats)
    {
        _formats = formats;
        _storeOptions = storeOptions ?? s_small;
        _options = options ?? new BrokerOptions();
        Open();
    }

    public FaultDisk Disk { get; } = new(1);

    public ManualTimeProvider Clock { get; } = new();

    public StepScheduler Scheduler { get; private set; } = null!;

    public LogStore Store { get; private set; } = null!;

    public MessageBroker Broker { get; private set; } = null!;

    public VirtualHost Host => Broker.FindVirtualHost("/")!;

    public void Dispose()
    {
        _turn?.Dispose();
        Store.Dispose();
    }

    /// <summary>Kills the process or cuts the power, and starts anew on what the disk kept.</summary>
    /// <param name="kind">What is lost.</param>
    /// <param name="down">How long the broker is down.</param>
    /// <param name="postedRunsAtOnce">Work that the start posts is run while the start goes on, as a fast worker may.</param>
    public void Crash(CrashKind kind, TimeSpan down = default, bool postedRunsAtOnce = false)
    {
        _turn = null;
        Scheduler.Clear();
        Clock.Clear();
        Disk.Crash(kind);
        Clock.Advance(down);
        Open(postedRunsAtOnce);
    }

    /// <summary>Stops in good order and starts again.</summary>
    public void Restart()
    {
        _turn?.Dispose();
        _turn = null;
        Broker.Stop();
        Store.Dispose();
        Open();
    }

    public MessageQueue Declare(string name, params (string Name, object? Value)[] arguments) => Declare(new QueueDefinition(name, true, false, false, ToArguments(arguments)));

    public MessageQueue Declare(QueueDefinition definition, object? owner = null)
    {
        BrokerResult<MessageQueue> result = Run(Host.DeclareQueueAsync(definition, owner));
        Assert.True(result.IsOk, result.Detail);
        return result.Value!;
    }

    /// <summary>Declares a delayed exchange and binds the queue to it with routing key "k".</summary>
    public void DeclareDelayed(string exchange, string queue)
    {
        Assert.True(Run(Host.DeclareExchangeAsync(new ExchangeDefinition(exchange, "x-delayed-message", true, false, false, ToArguments(("x-delayed-type", "direct"))))).IsOk);
        Assert.True(Run(Host.BindAsync(exchange, DestinationKind.Queue, queue, "k", Arguments.Empty, null)).IsOk);
    }

    /// <summary>Has the disk fail the log that keeps messages of a delayed exchange with this delay, and no other.</summary>
    public void FailLogOfDelays(string exchange, long delayMs)
    {
        Disk.Fault = static line => line.StartsWith("write logs/", StringComparison.Ordinal) ? new IOException("No space left on device") : null;
        using (PublishTurn turn = Host.CreatePublishTurn())
        {
            for (int i = 0; i < 50; i++)
            {
                turn.Publish(new MessageToPublish { Exchange = Encoding.UTF8.GetBytes(exchange), RoutingKey = "none"u8, Body = new byte[1000], DelayMs = delayMs }, 0);
                turn.Flush();
                Scheduler.RunAll();
            }
        }

        Disk.Fault = null;
        Assert.Single(Host.Delays!.LogIds, id => Store.FindLog(id)!.PromiseFailure is not null);
        Assert.Null(Store.Failure);
    }

    public static Arguments ToArguments(params (string Name, object? Value)[] arguments) => new(arguments.ToDictionary(argument => argument.Name, argument => argument.Value));

    public TurnResult Publish(string queue, params string[] bodies) => PublishTo("", queue, bodies.Select(body => new Body(body)).ToArray());

    public TurnResult PublishTo(string exchange, string routingKey, params Body[] bodies)
    {
        _turn ??= Host.CreatePublishTurn();
        for (int i = 0; i < bodies.Length; i++)
        {
            _turn.Publish(
                new MessageToPublish
                {
                    Exchange = Encoding.UTF8.GetBytes(exchange),
                    RoutingKey = Encoding.UTF8.GetBytes(routingKey),
                    Body = Encoding.UTF8.GetBytes(bodies[i].Text),
                    Persistent = true,
                    Confirmed = true,
                    TimeToLiveMs = bodies[i].TimeToLiveMs,
                    Priority = bodies[i].Priority,
                },
                (ulong)i);
        }

        TurnResult result = _turn.Flush();
        Scheduler.RunAll();
        return result;
    }

    public void Run(ValueTask operation) => Run(WithResult(operation));

    /// <summary>Runs work until the operation ends.</summary>
    public T Run<T>(ValueTask<T> operation)
    {
        Task<T> task = operation.AsTask();
        for (int i = 0; !task.IsCompleted && i < 10_000; i++)
        {
            // Completions run on the thread pool, so that no storage thread runs a caller's code.
            Scheduler.RunAll();
            task.Wait(1);
        }

        Assert.True(task.IsCompleted, "The operation did not end.");
        return task.GetAwaiter().GetResult();
    }

    public void Advance(TimeSpan time)
    {
        Clock.Advance(time);
        Scheduler.RunAll();
    }

    private static async ValueTask<bool> WithResult(ValueTask operation)
    {
        await operation;
        return true;
    }

    private void Open(bool postedRunsAtOnce = false)
    {
        Scheduler = new StepScheduler(1);
        Store = LogStore.Open(_storeOptions, Disk, Scheduler, Clock, NullLoggerFactory.Instance);
        var eager = new EagerScheduler(Scheduler) { IsEager = postedRunsAtOnce };
        Broker = MessageBroker.Open(Store, _options, _formats, eager, Clock, new Random(1), NullLoggerFactory.Instance);
        eager.IsEager = false;
        Scheduler.RunAll();
    }

    /// <summary>Runs posted work at once while it is told to.</summary>
    private sealed class EagerScheduler(StepScheduler inner) : IScheduler
    {
        public bool IsEager { get; set; }

        public void Post(IThreadPoolWorkItem item)
        {
            if (IsEager)
            {
                item.Execute();
            }
            else
            {
                inner.Post(item);
            }
        }

        public IWorker StartWorker(string name, Action step, Action<Exception> onFault) => inner.StartWorker(name, step, onFault);

        public void Yield() => inner.Yield();
    }

    public sealed record Body(string Text, long TimeToLiveMs = -1, byte Priority = 0);
}
