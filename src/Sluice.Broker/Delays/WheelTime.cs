namespace Sluice.Broker.Delays;

/// <summary>
/// The arithmetic of the timing wheel. Level l has buckets of 64^l seconds, numbered from the Unix epoch, in <see cref="Slots"/> slots: bucket b lies in slot b mod 128.
/// A message goes to the finest level that can tell its bucket from all others in use, those of the next 127 buckets. A bucket is handed over,
/// to be moved to finer levels or (level 0) to be delivered, half its width before it begins; by then nothing is added to it at levels above 0.
/// </summary>
internal static class WheelTime
{
    public const int Levels = 5;
    public const int Slots = 128;
    public const int Logs = Levels * Slots;

    /// <summary>Width of a bucket in ms.</summary>
    public static long WidthMs(int level) => 1000L << (6 * level);

    public static long BucketOf(int level, long second) => second >> (6 * level);

    public static int SlotOf(long bucket) => (int)(bucket & (Slots - 1));

    public static int LogOf(int level, long bucket) => (level * Slots) + SlotOf(bucket);

    /// <summary>The last bucket of a level to be handed over at a time.</summary>
    public static long LastDue(int level, long nowMs) => (nowMs + (WidthMs(level) / 2)) / WidthMs(level);

    /// <summary>When a bucket is handed over, Unix ms.</summary>
    public static long HandOverMs(int level, long bucket) => (bucket * WidthMs(level)) - (WidthMs(level) / 2);

    /// <summary>The finest level, and bucket, for a due time as seen from a second; what is overdue belongs to that second.</summary>
    public static (int Level, long Bucket) Place(long dueMs, long second)
    {
        long due = Math.Max(dueMs / 1000, second);
        for (int level = 0; level < Levels - 1; level++)
        {
            long bucket = BucketOf(level, due);
            if (bucket - BucketOf(level, second) < Slots)
            {
                return (level, bucket);
            }
        }

        return (Levels - 1, BucketOf(Levels - 1, due));
    }
}
