using System.Buffers;
using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Storage.Records;

namespace Sluice.Storage.Compaction;

/// <summary>
/// Takes out of one batch after another what compaction does not keep. Offsets, sequence numbers and the last offset of a batch stay. A batch whose
/// tombstones (or marker without a transaction) are met for the first time gets a delete horizon, the time at which they may go: attribute bit 6,
/// and the base timestamp is that time (KIP-534).
/// </summary>
internal sealed class BatchCompactor(StoreContext store, long logId, OffsetMap map, TransactionFilter transactions) : IDisposable
{
    private readonly BatchOpener _opener = new(store.Buffers, store.Options.DecompressedBatchBytesMax);
    private readonly PooledBufferWriter _kept = new(store.Buffers);
    private readonly PooledBufferWriter _rebased = new(store.Buffers);
    private readonly PooledBufferWriter _output = new(store.Buffers);

    /// <summary>The map knows the newest records up to here; records from here on stay.</summary>
    public required long MapEnd { get; init; }

    /// <summary>A batch that ends here stays, if only its header, so that readers find out how far the log goes.</summary>
    public required long KeptEnd { get; init; }

    public required long NowMs { get; init; }

    public required long DeleteRetentionMs { get; init; }

    /// <summary>What of each producer has to stay, if only as a header: the batch with its last sequence number.</summary>
    public LastBatches Producers { get; set; } = new();

    /// <summary>The batch as it is to be kept: itself, or less of it; empty if nothing. Valid until the next call.</summary>
    /// <exception cref="LogFailedException">The batch's records cannot be read.</exception>
    public ReadOnlySpan<byte> Compact(ReadOnlySpan<byte> batch)
    {
        bool canDiscard = transactions.CanDiscard(batch);
        bool isControl = RecordBatch.IsControl(batch);
        bool isPastHorizon = RecordBatch.HasDeleteHorizon(batch) && RecordBatch.BaseTimestamp(batch) <= NowMs;
        bool keepsHeader = Producers.IsLast(batch) || RecordBatch.EndOffset(batch) == KeptEnd;
        if (canDiscard && (!isControl || isPastHorizon))
        {
            return keepsHeader ? HeaderOf(batch) : default;
        }
        Kept kept = Keep(batch, isControl, isPastHorizon);
        if (kept.Count == 0)
        {
            return keepsHeader ? HeaderOf(batch) : default;
        }
        bool setsHorizon = (kept.HasTombstones || (isControl && canDiscard)) && !RecordBatch.HasDeleteHorizon(batch);
        return kept.Count == RecordBatch.RecordCount(batch) && !setsHorizon ? batch : Build(batch, kept, setsHorizon ? NowMs + DeleteRetentionMs : null);
    }

    public void Dispose()
    {
        _opener.Dispose();
        _kept.Dispose();
        _rebased.Dispose();
        _output.Dispose();
    }

    /// <summary>Copies the records that stay.</summary>
    private Kept Keep(ReadOnlySpan<byte> batch, bool isControl, bool isPastHorizon)
    {
        ReadOnlySpan<byte> records = _opener.Open(logId, batch);
        RecordContext context = new(batch);
        Kept kept = new() { MaxTimestamp = long.MinValue };
        _kept.Clear();
        int position = 0;
        for (int left = RecordBatch.RecordCount(batch); left > 0; left--)
        {
            int end = RecordParser.Parse(records, position, context, out RecordView record);
            if (end < 0)
            {
                throw new LogFailedException($"The record batch at offset {context.BaseOffset} of log {logId} holds fewer records than it says.") { ResumeOffset = RecordBatch.EndOffset(batch) };
            }
            if (isControl || IsKept(record, isPastHorizon))
            {
                _kept.Write(records[position..end]);
                kept.Count++;
                kept.MaxTimestamp = Math.Max(kept.MaxTimestamp, record.Timestamp);
                kept.HasTombstones |= !isControl && record is { HasKey: true, HasValue: false };
            }
            position = end;
        }
        return kept;
    }

    private bool IsKept(in RecordView record, bool isPastHorizon) =>
        record.Offset >= MapEnd || !record.HasKey || (record.Offset >= map.Find(record.Key) && (record.HasValue || !isPastHorizon));

    private ReadOnlySpan<byte> Build(ReadOnlySpan<byte> batch, Kept kept, long? horizonMs)
    {
        ReadOnlySpan<byte> records = _kept.WrittenSpan;
        if (horizonMs is { } baseTimestamp)
        {
            Rebase(kept.Count, RecordBatch.BaseTimestamp(batch) - baseTimestamp);
            records = _rebased.WrittenSpan;
        }
        _output.Clear();
        _output.Write(batch[..RecordBatch.HeaderBytes]);
        Compressor.Compress(RecordBatch.CompressionType(batch), null, records, _output);
        Span<byte> built = _output.WrittenBytes;
        RecordBatch.SetContent(built, kept.Count, RecordBatch.IsLogAppendTime(batch) ? RecordBatch.MaxTimestamp(batch) : kept.MaxTimestamp);
        if (horizonMs is { } horizon)
        {
            RecordBatch.SetDeleteHorizon(built, horizon);
        }
        RecordBatch.SetCrc(built);
        return built;
    }

    /// <summary>Copies the kept records with their timestamps relative to another base.</summary>
    private void Rebase(int count, long deltaMs)
    {
        _rebased.Clear();
        ReadOnlySpan<byte> records = _kept.WrittenSpan;
        int position = 0;
        for (; count > 0; count--)
        {
            // Read once already: the numbers are there.
            Varint.TryRead(records, ref position, out long length);
            ReadOnlySpan<byte> record = records.Slice(position, (int)length);
            position += (int)length;
            int at = 1;
            Varint.TryRead(record, ref at, out long timestamp);
            long rebased = timestamp + deltaMs;
            int size = 1 + Varint.Size(rebased) + record.Length - at;
            Span<byte> target = _rebased.GetSpan(Varint.BytesMax + size);
            int written = Varint.Write(target, size);
            target[written++] = record[0];
            written += Varint.Write(target[written..], rebased);
            record[at..].CopyTo(target[written..]);
            _rebased.Advance(written + record.Length - at);
        }
    }

    private ReadOnlySpan<byte> HeaderOf(ReadOnlySpan<byte> batch)
    {
        _output.Clear();
        _output.Write(batch[..RecordBatch.HeaderBytes]);
        Span<byte> header = _output.WrittenBytes;
        RecordBatch.SetEmpty(header);
        return header;
    }

    private struct Kept
    {
        public int Count;
        public long MaxTimestamp;
        public bool HasTombstones;
    }
}
