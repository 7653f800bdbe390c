using Microsoft.Extensions.Logging;
using Sluice.Storage;

namespace Sluice.Broker.Delays;

/// <summary>
/// The range of a level-0 log that holds one second's messages, while they are being delivered. First its records are scanned into the index; arrivals during
/// that second go to the index directly. What did not fit the index is delivered after the second, in log order.
/// </summary>
internal sealed class OpenBucket(Log log, long second, int slot, ILogger logger)
{
    public Log Log => log;

    public long Second => second;

    public int Slot => slot;

    /// <summary>Messages of this bucket in the index.</summary>
    public int Indexed { get; set; }

    /// <summary>Next offset to scan.</summary>
    public long ScanPosition { get; set; }

    /// <summary>Where scanning ends: what comes later was offered to the index when it arrived.</summary>
    public long ScanEnd { get; set; }

    /// <summary>Where the bucket ends: the log's end when the second was over. <see cref="long.MaxValue"/> until then.</summary>
    public long End { get; set; } = long.MaxValue;

    public bool IsScanned => ScanPosition >= ScanEnd;

    public bool IsOver => End != long.MaxValue;

    /// <summary>Used by the worker only.</summary>
    public DelayLogReader Scanner { get; } = new(log, logger);

    /// <summary>Used by the worker only: fetches messages for delivery.</summary>
    public DelayLogReader Fetcher { get; } = new(log, logger);

    public void Release()
    {
        Scanner.Dispose();
        Fetcher.Dispose();
    }
}
