using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Broker.Tests.Delays;

/// <summary>A store of delayed messages on a disk in memory under virtual time, whose deliveries are appended to a log in the same journal group.</summary>
internal sealed class DelayFixture : IDelayedTarget, IDisposable
{
    private static readonly LogStoreOptions StoreOptions = new() { SegmentBytes = 64 << 10, JournalBytesMax = 256 << 10, TailBytesPerLogMax = 16 << 10, TailBytesMax = 64 << 10 };

    private readonly DelayOptions _options;
    private readonly RecordBatchBuilder _builder = new();
    private readonly int _seed;
    private LogId _outId;
    private DateTimeOffset _now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public DelayFixture(int seed = 1, int indexMax = 1 << 20)
    {
        _seed = seed;
        _options = new DelayOptions { IndexMax = indexMax };
        Disk = new FaultDisk(seed);
        Open();
    }

    public FaultDisk Disk { get; }

    public ErrorCounter Errors { get; } = new();

    public StepScheduler Scheduler { get; private set; } = null!;

    public ManualTimeProvider Clock { get; private set; } = null!;

    public LogStore Store { get; private set; } = null!;

    public DelayStore Delays { get; private set; } = null!;

    /// <summary>Body and time of each delivery since the last start.</summary>
    public List<(string Body, long AtMs, long DueMs)> Delivered { get; } = [];

    /// <summary>Runs at the beginning of each delivery.</summary>
    public Action<DelayedBatch>? OnDeliver { get; set; }

    /// <summary>The target takes messages but does not settle.</summary>
    public bool RefusesToSettle { get; set; }

    public long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    public JournalPosition Schedule(string body, long delayMs, bool persistent = true)
    {
        var message = new MessageToPublish { Exchange = "x"u8, RoutingKey = "k"u8, Body = Encoding.UTF8.GetBytes(body), Persistent = persistent };
        return Delays.Schedule("delayed"u8, message, NowMs + delayMs);
    }

    /// <summary>Moves the clock on in steps and runs all work after each.</summary>
    public void Run(TimeSpan duration, TimeSpan step)
    {
        for (TimeSpan done = TimeSpan.Zero; done < duration; done += step)
        {
            Clock.Advance(step);
            Scheduler.RunAll();
        }
    }

    /// <summary>All bodies ever delivered, from the log.</summary>
    public List<string> DeliveredEver()
    {
        var bodies = new List<string>();
        Log log = Store.FindLog(_outId)!;
        using var reader = new DelayLogReader(log, Errors);
        for (long at = 0; reader.TryRead(at, long.MaxValue, out RecordView record); at = record.Offset + 1)
        {
            bodies.Add(Encoding.UTF8.GetString(record.Value));
        }

        return bodies;
    }

    public void Restart(TimeSpan downtime)
    {
        Delays.Dispose();
        Scheduler.RunAll();
        Store.Dispose();
        Reopen(downtime);
    }

    public void Crash(CrashKind kind, TimeSpan downtime)
    {
        Disk.Fault = null;
        Scheduler.Clear();
        Disk.Crash(kind);
        Reopen(downtime);
    }

    public void Deliver(DelayedBatch batch)
    {
        OnDeliver?.Invoke(batch);
        var taken = new List<(string, long, long)>();
        while (batch.TryNext(out DelayedMessage delayed))
        {
            taken.Add((Encoding.UTF8.GetString(delayed.Message.Body), NowMs, delayed.DueMs));
            _builder.Append(NowMs, delayed.Message.Body, default, 0);
        }

        if (RefusesToSettle || taken.Count == 0)
        {
            _builder.Clear();
            return;
        }

        lock (batch.Gate)
        {
            using JournalGroup group = Store.BeginGroup();
            try
            {
                Store.FindLog(_outId)!.Append(_builder.Seal(), Durability.Disk, group);
            }
            finally
            {
                _builder.Clear();
            }

            batch.Settle(group);
            group.Commit();
        }

        Delivered.AddRange(taken);
    }

    public void Dispose()
    {
        Delays.Dispose();
        Scheduler.RunAll();
        Store.Dispose();
        _builder.Dispose();
    }

    private void Reopen(TimeSpan downtime)
    {
        _now = Clock.GetUtcNow() + downtime;
        Delivered.Clear();
        Open();
    }

    private void Open()
    {
        Scheduler = new StepScheduler(_seed);
        Clock = new ManualTimeProvider(_now);
        Store = LogStore.Open(StoreOptions, Disk, Scheduler, Clock, Errors);
        DelayStore? existing = DelayStore.Open(Store, "/", _options, Scheduler, Clock, Errors.CreateLogger("delays"));
        if (existing is null)
        {
            _outId = Store.CreateLog(LogKind.Durable, RetentionPolicy.Queue).Id;
            ValueTask<DelayStore> created = DelayStore.CreateAsync(Store, "/", _options, Scheduler, Clock, Errors.CreateLogger("delays"));
            Scheduler.RunAll();
            Delays = created.AsTask().GetAwaiter().GetResult();
        }
        else
        {
            Delays = existing;
        }

        Delays.Start(this);
        Scheduler.RunAll();
    }

    /// <summary>Counts what is logged as an error or worse.</summary>
    public sealed class ErrorCounter : ILoggerFactory, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lock (Lines)
                {
                    Lines.Add(formatter(state, exception) + " " + exception?.Message);
                }
            }
        }

        public void Dispose()
        {
        }
    }
}
