using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Client.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>
/// What one answer has of one partition: whole batches, and perhaps the beginning of another, which is asked for again. Holds its share of the answer's
/// block until it is disposed.
/// </summary>
internal sealed class FetchedChunk : IDisposable
{
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly AnswerShare _share;
    private readonly ConsumerOptions _options;
    private readonly PooledBufferWriter _decompressed;
    private readonly FetchResponse.AbortedTransaction[] _aborted;
    private readonly HashSet<long> _abortedProducers = [];
    private readonly long _from;
    private int _next;
    private int _abortedNext;
    private int _batch = -1;
    private int _batchEnd;
    private int _record;
    private int _recordsLeft;
    private bool _isCompressed;
    private bool _isDisposed;

    /// <param name="state">Of the partition.</param>
    /// <param name="from">The offset asked for: records before it are not given.</param>
    /// <param name="answer">What came.</param>
    /// <param name="share">Of the block in which it lies; taken over.</param>
    /// <param name="options">Of the consumer.</param>
    /// <param name="pool">For what is decompressed.</param>
    public FetchedChunk(PartitionState state, long from, FetchResponse.PartitionData answer, AnswerShare share, ConsumerOptions options, BufferPool pool)
    {
        State = state;
        Generation = state.Generation;
        _from = from;
        _bytes = answer.Records.Memory;
        _share = share;
        _options = options;
        _decompressed = new PooledBufferWriter(pool);
        _aborted = options.IsolationLevel == IsolationLevel.ReadCommitted && answer.AbortedTransactions is { } aborted ? [.. aborted.OrderBy(transaction => transaction.FirstOffset)] : [];
        EndOffset = FindEnd();
    }

    public PartitionState State { get; }

    /// <summary>Of the state when this was asked for.</summary>
    public int Generation { get; }

    /// <summary>One past the last record of its whole batches; the offset asked for if there is none.</summary>
    public long EndOffset { get; }

    /// <summary>Whether it is still what comes next.</summary>
    public bool IsCurrent => Generation == State.Generation;

    /// <summary>The next record; false at the end. Valid until the next call.</summary>
    /// <exception cref="KafkaClientException">The bytes are damaged.</exception>
    public bool TryRead(out FetchedRecord record)
    {
        while (true)
        {
            if (_recordsLeft <= 0)
            {
                if (!TryOpenBatch())
                {
                    record = default;
                    return false;
                }

                continue;
            }

            ReadOnlySpan<byte> records = _isCompressed ? _decompressed.WrittenSpan : _bytes.Span[..(int)_batchEnd];
            if (!RecordDecoder.TryRead(records, ref _record, _bytes.Span[_batch..], out record))
            {
                throw Damaged(_batch, "a record cannot be read");
            }

            _recordsLeft--;
            if (record.Offset >= _from)
            {
                return true;
            }
        }
    }

    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _decompressed.Dispose();
            _share.Release();
        }
    }

    private long FindEnd()
    {
        long end = _from;
        for (int at = 0; TryMeasure(at, out int size); at += size)
        {
            end = Math.Max(end, BatchHeader.LastOffset(_bytes.Span[at..]) + 1);
        }

        return end;
    }

    /// <summary>Whether a whole batch begins here.</summary>
    private bool TryMeasure(int at, out int size)
    {
        size = 0;
        ReadOnlySpan<byte> rest = _bytes.Span[at..];
        if (rest.Length < BatchHeader.Bytes)
        {
            return false;
        }

        if (BatchHeader.MagicOf(rest) != BatchHeader.Magic)
        {
            throw Damaged(at, $"its format is {BatchHeader.MagicOf(rest)}, not {BatchHeader.Magic}");
        }

        long bytes = BatchHeader.Size(rest);
        if (bytes < BatchHeader.Bytes)
        {
            throw Damaged(at, $"it has {bytes} bytes");
        }

        if (bytes > rest.Length)
        {
            return false;
        }

        size = (int)bytes;
        return true;
    }

    private bool TryOpenBatch()
    {
        if (!TryMeasure(_next, out int size))
        {
            return false;
        }

        _batch = _next;
        _batchEnd = _batch + size;
        _next = _batchEnd;
        ReadOnlySpan<byte> batch = _bytes.Span.Slice(_batch, size);
        if (_options.CheckCrcs && !BatchHeader.HasRightChecksum(batch))
        {
            throw Damaged(_batch, "its checksum is wrong");
        }

        if (IsSkipped(batch))
        {
            return true;
        }

        _recordsLeft = BatchHeader.RecordCount(batch);
        _isCompressed = BatchHeader.Compression(batch) != CompressionType.None;
        _record = _batch + BatchHeader.Bytes;
        if (_isCompressed)
        {
            Decompress(batch);
            _record = 0;
        }

        return true;
    }

    /// <summary>Markers are nothing for consumers; nor is what was rolled back, for those who want to see only what was committed.</summary>
    private bool IsSkipped(ReadOnlySpan<byte> batch)
    {
        long producer = BatchHeader.ProducerId(batch);
        while (_abortedNext < _aborted.Length && _aborted[_abortedNext].FirstOffset <= BatchHeader.LastOffset(batch))
        {
            _abortedProducers.Add(_aborted[_abortedNext++].ProducerId);
        }

        if (BatchHeader.IsControl(batch))
        {
            // The transaction ends here, and the producer's next one is another matter.
            _abortedProducers.Remove(producer);
            return true;
        }

        return BatchHeader.IsTransactional(batch) && _abortedProducers.Contains(producer);
    }

    private void Decompress(ReadOnlySpan<byte> batch)
    {
        _decompressed.Clear();
        try
        {
            Compressor.Decompress(BatchHeader.Compression(batch), batch[BatchHeader.Bytes..], _options.DecompressedBytesMax, _decompressed);
        }
        catch (Exception error) when (error is CompressedDataException or DecompressionLimitException or CompressionLibraryMissingException or ArgumentOutOfRangeException)
        {
            throw Damaged(_batch, error.Message);
        }
    }

    private KafkaClientException Damaged(int at, string what) => new(
        KafkaErrorCode.CorruptMessage, $"The record batch at offset {BatchHeader.BaseOffset(_bytes.Span[at..])} of {State.Partition} cannot be read: {what}. Seek beyond it to go on.");
}
