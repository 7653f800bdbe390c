namespace Sluice.Storage;

/// <summary>
/// How much of a log the journal has written, so that it survives the process. Remembers two places: one that is written, and one that will be when the journal has come to its position;
/// so what it tells may be less than what is written, for a moment, and is never more. All under the log's lock.
/// </summary>
internal sealed class WrittenMark
{
    /// <summary>Appended as part of a group that is not in the journal yet.</summary>
    private const long InGroup = long.MaxValue;

    private LogEnd _written;
    private LogEnd _coming;
    private long _comingPosition;

    /// <summary>When the journal has written this far, all of the log is written.</summary>
    public long Position { get; private set; }

    /// <summary>Whether <see cref="Position"/> is not known before the group is committed.</summary>
    public bool IsInGroup => Position == InGroup;

    /// <summary>What is written of a log.</summary>
    /// <param name="journalWritten">How far the journal has written.</param>
    /// <param name="now">The log's end.</param>
    public LogEnd Look(long journalWritten, LogEnd now)
    {
        if (Position <= journalWritten)
        {
            _written = now;
        }
        else
        {
            if (_comingPosition <= journalWritten)
            {
                _written = _coming.Offset > _written.Offset ? _coming : _written;
                if (Position != InGroup)
                {
                    (_coming, _comingPosition) = (now, Position);
                }
            }
        }
        return _written;
    }

    /// <summary>Something was appended, after a <see cref="Look"/> at what was there before.</summary>
    /// <param name="position">The journal has it when it has written this far; 0: it is part of a group, see <see cref="OnCommitted"/>.</param>
    public void OnAppended(long position) => Position = position == 0 ? InGroup : position;

    /// <summary>The group that appended last is in the journal.</summary>
    public void OnCommitted(long position) => Position = position;
}

/// <summary>An end of a log, for all readers and for those of committed records.</summary>
/// <param name="Offset">One past the last record.</param>
/// <param name="Stable">Offsets below it are of no open transaction.</param>
public readonly record struct LogEnd(long Offset, long Stable);
