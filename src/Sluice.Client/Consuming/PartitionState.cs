namespace Sluice.Client.Consuming;

/// <summary>How far the consumer is in a partition. Belongs to whoever calls the consumer.</summary>
internal sealed class PartitionState(TopicPartition partition)
{
    /// <summary>Asks for the offset of a time, in the words of ListOffsets.</summary>
    public const long EarliestTime = -2;

    /// <inheritdoc cref="EarliestTime"/>
    public const long LatestTime = -1;

    public TopicPartition Partition => partition;

    /// <summary>Offset of the next record to give; -1 as long as it is not known.</summary>
    public long Position { get; private set; } = -1;

    /// <summary>Offset of the next record to ask for: beyond <see cref="Position"/> while a part of the log is read ahead.</summary>
    public long FetchOffset { get; private set; } = -1;

    /// <summary>Changes with every seek: what was asked for before is dropped when it comes.</summary>
    public int Generation { get; private set; }

    /// <summary>The position is to be that of a time; null: that which was committed, or else where the options say.</summary>
    public long? WantedTime { get; private set; }

    public bool IsPaused { get; set; }

    /// <summary>It was asked for and the answer has not come.</summary>
    public bool IsFetching { get; set; }

    /// <summary>Parts that were read ahead and not begun.</summary>
    public int BufferedChunks { get; set; }

    /// <summary>Not asked for before then, in ticks of the client's clock.</summary>
    public long NotBefore { get; set; }

    public bool HasPosition => Position >= 0;

    /// <summary>One past the last record there is, as the last answer said; -1 before.</summary>
    public long EndOffset { get; set; } = -1;

    public void Seek(long offset)
    {
        Generation++;
        WantedTime = null;
        Position = offset;
        FetchOffset = offset;
    }

    public void SeekToTime(long timestampMs)
    {
        Seek(-1);
        WantedTime = timestampMs;
    }

    /// <summary>Drops what was read ahead.</summary>
    public void Rewind() => Seek(Position);

    public void Advance(long position) => Position = position;

    public void AdvanceFetch(long offset) => FetchOffset = offset;
}
