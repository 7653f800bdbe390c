using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Records;

namespace Sluice.Storage.Tests;

/// <summary>Small helpers shared by the storage tests.</summary>
internal static class StoreFixture
{
    public static LogStore Open(IDisk disk, IScheduler scheduler, TimeProvider clock, LogStoreOptions? options = null) =>
        LogStore.Open(options ?? new LogStoreOptions(), disk, scheduler, clock, NullLoggerFactory.Instance);

    public static byte[] Batch(params string[] values)
    {
        using RecordBatchBuilder builder = new();
        foreach (string value in values)
        {
            builder.Append(1_000, Encoding.UTF8.GetBytes(value), default, 0);
        }
        return builder.Seal().ToArray();
    }

    public static byte[] Batch(long timestampMs, string value)
    {
        using RecordBatchBuilder builder = new();
        builder.Append(timestampMs, Encoding.UTF8.GetBytes(value), default, 0);
        return builder.Seal().ToArray();
    }

    /// <summary>All records from the offset to the end of the log, loading windows as needed.</summary>
    public static List<(long Offset, string Value)> ReadAll(Log log, long from = 0, bool unsettledOnly = false)
    {
        List<(long, string)> records = [];
        using LogReader reader = log.OpenReader(from);
        int idle = 0;
        while (true)
        {
            switch (reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record:
                    if (!unsettledOnly || log.Cursor?.IsSettled(record.Offset) != true)
                    {
                        records.Add((record.Offset, Encoding.UTF8.GetString(record.Value)));
                    }
                    reader.Advance();
                    idle = 0;
                    break;
                case PeekResult.NeedsLoad:
                    if (log.LoadWindow(reader.NextOffset) is { } window)
                    {
                        reader.Attach(window);
                    }
                    Assert.True(++idle < 10, $"No progress at offset {reader.NextOffset}.");
                    break;
                default:
                    return records;
            }
        }
    }
}
