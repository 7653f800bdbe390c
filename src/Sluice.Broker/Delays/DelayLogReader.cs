using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Delays;

/// <summary>Reads a wheel log in order or at chosen offsets, waiting for the disk where needed. For the worker, which alone settles these logs. Opens nothing before it is used.</summary>
internal sealed class DelayLogReader(Log log) : IDisposable
{
    private const int SequentialBytes = 256 << 10;
    private const int RandomBytes = 16 << 10;
    private const int NearRecords = 64;

    private LogReader? _reader;
    private long _last = -NearRecords - 1;

    /// <summary>Shows the first unsettled record in [from, end); false if there is none. The view lasts until the next call.</summary>
    /// <exception cref="LogFailedException">The place is damaged; <see cref="LogFailedException.ResumeOffset"/> says where it goes on.</exception>
    public bool TryRead(long from, long end, out RecordView record)
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

    public void Dispose()
    {
        _reader?.Dispose();
        _reader = null;
        _last = -NearRecords - 1;
    }
}
