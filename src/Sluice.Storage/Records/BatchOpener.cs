using Sluice.Base.Buffers;
using Sluice.Base.Compression;

namespace Sluice.Storage.Records;

/// <summary>Decompresses one batch after another into a pooled buffer, which it owns until disposed; it can be used again after that. Not thread-safe.</summary>
internal sealed class BatchOpener(BufferPool pool, int sizeMax) : IDisposable
{
    private readonly PooledBufferWriter _records = new(pool);

    /// <summary>The records of the compressed batch opened last. Valid until the next call.</summary>
    public ReadOnlySpan<byte> Decompressed => _records.WrittenSpan;

    /// <summary>The records of a whole batch: its own bytes, or <see cref="Decompressed"/>.</summary>
    /// <exception cref="LogFailedException">They cannot be decompressed.</exception>
    public ReadOnlySpan<byte> Open(long logId, ReadOnlySpan<byte> batch)
    {
        ReadOnlySpan<byte> records = batch[RecordBatch.HeaderBytes..];
        if (!RecordBatch.IsCompressed(batch))
        {
            return records;
        }
        _records.Clear();
        try
        {
            Compressor.Decompress(RecordBatch.CompressionType(batch), records, sizeMax, _records);
        }
        catch (Exception e) when (e is CompressedDataException or DecompressionLimitException or CompressionLibraryMissingException)
        {
            _records.Dispose();
            throw new LogFailedException($"The compressed record batch at offset {RecordBatch.BaseOffset(batch)} of log {logId} cannot be read: {e.Message}", e)
            {
                ResumeOffset = RecordBatch.EndOffset(batch),
            };
        }
        return Decompressed;
    }

    public void Dispose() => _records.Dispose();
}
