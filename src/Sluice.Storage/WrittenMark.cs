namespace Sluice.Storage;

/// <summary>
/// How much of a log the journal has written, so that it survives the process. The journal writes what has gathered in one go, so two places are enough to be exact: the end that is written, and
/// the end of what is being written while more gathers. All under the log's lock.
/// </summary>
internal sealed class WrittenMark
{
    /// <summary>Appended as part of a group that is not in the journal yet.</summary>
    private const long InGroup = long.MaxValue;

    private LogEnd _written;
    private Place _writing;
    private Place _beforeGroup;

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
            Promote(_writing, journalWritten);
            if (IsInGroup)
            {
                Promote(_beforeGroup, journalWritten);
            }
        }
        return _written;
    }

    /// <summary>Something was appended.</summary>
    /// <param name="position">The journal has it when it has written this far; 0: it is part of a group, see <see cref="OnCommitted"/>.</param>
    /// <param name="before">The log's end before.</param>
    /// <param name="journal">Asked what it is writing.</param>
    public void OnAppended(long position, LogEnd before, Journaling.Journal journal)
    {
        if (IsInGroup)
        {
            return;
        }
        Place last = new(before, Position);
        if (position == 0)
        {
            _beforeGroup = last;
            Position = InGroup;
        }
        else
        {
            Position = position;
            Follow(last, journal);
        }
    }

    /// <summary>The group that appended last is in the journal.</summary>
    public void OnCommitted(long position, Journaling.Journal journal)
    {
        Position = position;
        Follow(_beforeGroup, journal);
    }

    /// <summary>More has come after this. If the journal has begun to write it, it may be written before what came; else both are written together, and it need not be remembered.</summary>
    private void Follow(Place last, Journaling.Journal journal)
    {
        if (last.Position <= journal.Taken)
        {
            // Read after that: what was being written before is written by now.
            Promote(_writing, journal.Written);
            _writing = last;
        }
    }

    private void Promote(Place place, long journalWritten)
    {
        if (place.Position <= journalWritten && place.End.Offset > _written.Offset)
        {
            _written = place.End;
        }
    }

    /// <param name="End">Of the log.</param>
    /// <param name="Position">Where the journal has all before it.</param>
    private readonly record struct Place(LogEnd End, long Position);
}

/// <summary>An end of a log, for all readers and for those of committed records.</summary>
/// <param name="Offset">One past the last record.</param>
/// <param name="Stable">Offsets below it are of no open transaction.</param>
public readonly record struct LogEnd(long Offset, long Stable);
