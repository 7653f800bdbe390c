namespace Sluice.Storage.Segments;

/// <summary>Looks things up in a log's list of segments, which is in offset order and null until there is one. Under the log's lock.</summary>
internal static class SegmentLists
{
    /// <summary>The segment that holds the offset or the first one after it.</summary>
    public static Segment? AtOrAfter(this List<Segment>? segments, long offset)
    {
        int low = 0;
        int high = segments?.Count ?? 0;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (segments![middle].EndOffset > offset)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }
        return low < segments?.Count ? segments[low] : null;
    }

    /// <summary>Largest timestamp of a record in them; <see cref="long.MinValue"/> if there is none.</summary>
    public static long MaxTimestamp(this List<Segment>? segments)
    {
        long max = long.MinValue;
        foreach (Segment segment in segments ?? [])
        {
            max = Math.Max(max, segment.MaxTimestamp);
        }
        return max;
    }
}
