namespace Sluice.Storage.Journaling;

/// <summary>Batches that go straight to segments, so that the journal has only a note of each.</summary>
internal interface IWriteThrough
{
    /// <summary>This thread is in the midst of a write to a segment, and cannot begin another.</summary>
    bool IsHeldByCurrentThread { get; }

    /// <summary>A recovery would have much to read: a checkpoint is due.</summary>
    bool IsGrown { get; }

    /// <summary>Writes all of which notes have been queued so far. A failed write fails its log, which says so to whoever is told that the note is kept.</summary>
    void WriteAll();
}
