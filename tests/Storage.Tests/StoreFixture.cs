using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Storage.Records;
using Sluice.Storage.Tails;

namespace Sluice.Storage.Tests;

internal delegate void RecordHandler(in RecordView record);

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
        ForEach(log, (in RecordView record) =>
        {
            if (!unsettledOnly || log.Cursor?.IsSettled(record.Offset) != true)
            {
                records.Add((record.Offset, Encoding.UTF8.GetString(record.Value)));
            }
        }, from);
        return records;
    }

    /// <summary>Shows all records from the offset to the end of the log, loading windows as needed.</summary>
    public static void ForEach(Log log, RecordHandler handler, long from = 0)
    {
        using LogReader reader = log.OpenReader(from);
        int idle = 0;
        while (true)
        {
            switch (reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record:
                    handler(record);
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
                    return;
            }
        }
    }

    /// <summary>Every batch that the log holds, as it is stored.</summary>
    public static List<byte[]> RawBatches(Log log)
    {
        List<byte[]> batches = [];
        long offset = log.StartOffset;
        while (log.LoadWindow(offset) is { } window)
        {
            using (window)
            {
                Split(window.Buffer.AsSpan(window.Start, window.End - window.Start));
            }
        }
        for (Chunk? chunk = log.Tail.First; chunk is not null; chunk = chunk.Next)
        {
            Split(chunk.Buffer.AsSpan(0, chunk.Length));
        }
        return batches;

        void Split(ReadOnlySpan<byte> bytes)
        {
            for (int size; bytes.Length > 0; bytes = bytes[size..])
            {
                size = RecordBatch.Size(bytes);
                if (RecordBatch.EndOffset(bytes) > offset)
                {
                    batches.Add(bytes[..size].ToArray());
                    offset = RecordBatch.EndOffset(bytes);
                }
            }
        }
    }
}
