using Microsoft.Extensions.Logging;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>
/// Reads a wheel log in order or at chosen offsets, waiting for the disk where needed. For the worker, which alone settles these logs. Opens nothing before it is used.
/// What the disk has damaged is given up: said loudly, settled, and left behind.
/// </summary>
internal sealed class DelayLogReader(Log log, ILogger logger) : IDisposable
{
    private const int SequentialBytes = 256 << 10;
    private const int RandomBytes = 16 << 10;
    private const int NearRecords = 64;

    private LogReader? _reader;
    private long _last = -NearRecords - 1;

    /// <summary>Shows the first unsettled record in [from, end); false if there is none. The view lasts until the next call.</summary>
    public bool TryRead(long from, long end, out RecordView record)
    {
        while (true)
        {
            try
            {
                return TryReadSound(from, end, out record);
            }
            catch (LogFailedException e) when (e.ResumeOffset is { } resume)
            {
                long lost = log.Cursor!.SettleRange(from, resume);
                logger.LogCritical(e, "Up to {Count} delayed messages are lost to damage: log {Log}, offsets {From} to {To}. Restore the file from a backup to get them back.", lost, log.Id.Value, from, resume);
                from = resume;
            }
        }
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _reader = null;
        _last = -NearRecords - 1;
    }

    private bool TryReadSound(long from, long end, out RecordView record)
    {
        long next = log.Cursor!.NextUnsettled(from);
        while (next < end && next < log.NextOffset)
        {
            LogReader reader = _reader ??= log.OpenReader(next);
            reader.Seek(next);
            switch (reader.TryPeek(out record))
            {
                case PeekResult.NeedsLoad:
                    bool isNear = reader.NextOffset >= _last && reader.NextOffset - _last <= NearRecords;
                    if (log.LoadWindow(reader.NextOffset, isNear ? SequentialBytes : RandomBytes) is { } window)
                    {
                        reader.Attach(window);
                    }

                    break;
                case PeekResult.EndOfLog:
                    return false;
                default:
                    _last = record.Offset;
                    if (record.Offset >= end)
                    {
                        return false;
                    }

                    next = log.Cursor.NextUnsettled(record.Offset);
                    if (next == record.Offset)
                    {
                        return true;
                    }

                    break;
            }
        }

        record = default;
        return false;
    }
}
