using System.Diagnostics;

namespace Sluice.LoadGenerator.Workers;

/// <summary>What all workers of a run share: when to stop, and from when on latency counts.</summary>
internal sealed class LoadRun
{
    private long _measureSince = long.MaxValue;
    private volatile bool _producersStop;
    private volatile bool _consumersStop;

    /// <summary>Messages sent at or after this time are measured.</summary>
    public long MeasureSince
    {
        get => Volatile.Read(ref _measureSince);
        set => Volatile.Write(ref _measureSince, value);
    }

    public bool ProducersStop
    {
        get => _producersStop;
        set => _producersStop = value;
    }

    public bool ConsumersStop
    {
        get => _consumersStop;
        set => _consumersStop = value;
    }

    public static long Now => Stopwatch.GetTimestamp();
}
