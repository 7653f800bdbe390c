using Microsoft.Extensions.Logging;

namespace Sluice.Hosting;

/// <summary>What the monitor looks at; all in bytes.</summary>
/// <param name="UsedMemory">Memory of the process.</param>
/// <param name="FreeDisk">Free space on the data directory's volume; may throw <see cref="IOException"/>.</param>
/// <param name="ReclaimMemory">Makes the collector give back what it holds without need. Dear: called seldom, but while publishers wait for memory.</param>
internal sealed record WatermarkSources(Func<long> UsedMemory, Func<long> FreeDisk, Action ReclaimMemory);

/// <summary>
/// Looks every second whether memory or disk run short, and blocks publishers until they no longer do. A block is lifted only when there is
/// some room beyond the mark, so that it does not flutter.
/// </summary>
internal sealed class WatermarkMonitor : IDisposable
{
    private const double ReleaseMargin = 0.05;

    /// <summary>While publishers wait, reclaiming takes at most one part in so many of the time.</summary>
    private const int ReclaimShare = 5;

    private static readonly TimeSpan SamplePeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReclaimPeriodMax = TimeSpan.FromSeconds(30);

    private readonly WatermarkSources _sources;
    private readonly long _memoryMax;
    private readonly long _freeDiskMin;
    private readonly Action<string?> _setBlocked;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private long _lastReclaim;
    private TimeSpan _reclaimCost;
    private bool _hasReclaimed;
    private bool _memoryShort;
    private bool _diskShort;
    private bool _disposed;

    /// <param name="sources">Where to look.</param>
    /// <param name="memoryMax">Used memory above which publishers wait.</param>
    /// <param name="freeDiskMin">Free disk below which publishers wait.</param>
    /// <param name="setBlocked">Told the reason when it changes; null: nothing is short any more.</param>
    /// <param name="clock">For the timer.</param>
    /// <param name="logger">Told of each change, with figures.</param>
    public WatermarkMonitor(WatermarkSources sources, long memoryMax, long freeDiskMin, Action<string?> setBlocked, TimeProvider clock, ILogger logger)
    {
        _sources = sources;
        _memoryMax = memoryMax;
        _freeDiskMin = freeDiskMin;
        _setBlocked = setBlocked;
        _clock = clock;
        _logger = logger;
        Sample();
        _timer = clock.CreateTimer(static state => ((WatermarkMonitor)state!).Sample(), this, SamplePeriod, SamplePeriod);
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock)
        {
            _disposed = true;
        }
    }

    internal void Sample()
    {
        // A sample that takes longer than the period (a collection may) is not joined by a second one.
        if (!_lock.TryEnter())
        {
            return;
        }

        try
        {
            if (_disposed)
            {
                return;
            }

            bool memoryShort = IsMemoryShort();
            bool diskShort = IsDiskShort();
            if (memoryShort == _memoryShort && diskShort == _diskShort)
            {
                return;
            }

            _memoryShort = memoryShort;
            _diskShort = diskShort;
            string? reason = (memoryShort, diskShort) switch
            {
                (true, true) => "low on memory & disk",
                (true, false) => "low on memory",
                (false, true) => "low on disk",
                _ => null,
            };
            _setBlocked(reason);
        }
        finally
        {
            _lock.Exit();
        }
    }

    private bool IsMemoryShort()
    {
        // While publishers wait, memory is asked back as often as it can be afforded, also when it is between the release and the mark: few allocate then, so
        // nothing else would have it collected when consumers have made room.
        double limit = _memoryShort ? _memoryMax * (1 - ReleaseMargin) : _memoryMax;
        long used = _sources.UsedMemory();
        if (used > limit && (!_hasReclaimed || _clock.GetElapsedTime(_lastReclaim) >= ReclaimPeriod()))
        {
            long begun = _clock.GetTimestamp();
            _sources.ReclaimMemory();
            _hasReclaimed = true;
            _lastReclaim = _clock.GetTimestamp();
            _reclaimCost = _clock.GetElapsedTime(begun, _lastReclaim);
            used = _sources.UsedMemory();
        }

        bool isShort = used > limit;
        if (isShort && !_memoryShort)
        {
            _logger.LogWarning(
                "Publishers wait: {Used} bytes of memory are in use, above the watermark of {Max} (Memory:Watermark). Consume faster, or give the broker more memory.", used, _memoryMax);
        }
        else if (!isShort && _memoryShort)
        {
            _logger.LogInformation("Publishers no longer wait for memory: {Used} bytes are in use", used);
        }

        return isShort;
    }

    /// <summary>Time from the end of one reclaim to the next.</summary>
    private TimeSpan ReclaimPeriod()
    {
        TimeSpan affordable = _reclaimCost * (ReclaimShare - 1);
        if (!_memoryShort || affordable > ReclaimPeriodMax)
        {
            return ReclaimPeriodMax;
        }

        // Not a whole period, else a sample that comes a little early would have to pass.
        return affordable > SamplePeriod / 2 ? affordable : SamplePeriod / 2;
    }

    private bool IsDiskShort()
    {
        long free;
        try
        {
            free = _sources.FreeDisk();
        }
        catch (IOException error)
        {
            _logger.LogError("The free space of the data directory cannot be determined: {Error}", error.Message);
            return _diskShort;
        }

        bool isShort = free < (_diskShort ? _freeDiskMin * (1 + ReleaseMargin) : _freeDiskMin);
        if (isShort && !_diskShort)
        {
            _logger.LogWarning(
                "Publishers wait: {Free} bytes are free on the data directory's volume, below the watermark of {Min} (Disk:FreeBytesMin). Free some space, or consume what is kept.", free, _freeDiskMin);
        }
        else if (!isShort && _diskShort)
        {
            _logger.LogInformation("Publishers no longer wait for disk: {Free} bytes are free", free);
        }

        return isShort;
    }
}
