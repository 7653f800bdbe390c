namespace Sluice.Storage.Tests;

/// <summary>What a log should hold.</summary>
internal sealed class LogModel(Log log)
{
    public Log Log { get; set; } = log;

    public bool IsDeleted { get; set; }

    public List<RecordModel> Records { get; } = [];

    public void Place(List<RecordModel> records, long baseOffset)
    {
        foreach (RecordModel record in records)
        {
            record.Offset = baseOffset++;
            Records.Add(record);
        }
    }

    /// <summary>Of a log without a cursor: what it has given up is nobody's any more.</summary>
    public void SettleReclaimed()
    {
        if (!IsDeleted && Log.Cursor is null)
        {
            Settle(0, Log.StartOffset);
        }
    }

    public void Settle(long from, long to)
    {
        foreach (RecordModel record in Records)
        {
            record.IsSettled |= record.Offset >= from && record.Offset < to;
        }
    }
}

/// <summary>A record, and what was promised for it.</summary>
internal sealed class RecordModel(string value, Durability promise)
{
    public string Value => value;

    public Durability Promise => promise;

    public long Offset { get; set; }

    /// <summary>The promise acknowledged so far; Memory: none that survives.</summary>
    public Durability KeptAs { get; set; }

    public bool IsSettled { get; set; }

    public bool IsPresent { get; set; } = true;
}

/// <summary>Records of several logs that are there together or not at all.</summary>
internal sealed class GroupModel(LogModel first, LogModel second, JournalGroup group, Durability promise)
{
    public LogModel First => first;

    public LogModel Second => second;

    public JournalGroup Group => group;

    public Durability Promise => promise;

    public List<(LogModel Log, RecordModel Record)> Records { get; } = [];
}

/// <summary>Notes what the store says is kept.</summary>
internal sealed class Acknowledge(List<RecordModel> records, Durability promise, Log? log) : IDurabilityListener
{
    public void OnKept(JournalPosition through)
    {
        if (log?.PromiseFailure is not null)
        {
            return;
        }
        foreach (RecordModel record in records)
        {
            record.KeptAs = promise;
        }
    }

    public void OnFailed(Exception error)
    {
    }
}
