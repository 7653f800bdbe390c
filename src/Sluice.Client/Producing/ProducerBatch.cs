using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Client.Records;

namespace Sluice.Client.Producing;

/// <summary>
/// Records for one partition that are sent, repeated and acknowledged together. Filled under its queue's lock, then the sender's alone.
/// Owns its blocks until <see cref="Release"/>; used again after that.
/// </summary>
internal sealed class ProducerBatch(BufferPool pool) : IDisposable
{
    /// <summary>A batch that held more records keeps no room for so many.</summary>
    private const int DeliveriesKeptMax = 4096;

    private readonly PooledBufferWriter _compressed = new(pool);
    private byte[] _block = [];
    private int _size;
    private Delivery[] _deliveries = [];
    private long _baseTimestamp;
    private long _maxTimestamp;
    private bool _isCompressed;
    private TaskCompletionSource? _done;

    public PartitionQueue Queue { get; private set; } = null!;

    /// <summary>The one after it in its queue.</summary>
    public ProducerBatch? Next { get; set; }

    public int Count { get; private set; }

    /// <summary>What it takes of the producer's memory, in bytes.</summary>
    public int ReservedBytes { get; private set; }

    /// <summary>When its first record came, in ticks of the client's clock.</summary>
    public long CreatedAt { get; private set; }

    /// <summary>Nothing more may be added.</summary>
    public bool IsClosed { get; set; }

    /// <summary>How often it was sent.</summary>
    public int Attempts { get; set; }

    /// <summary>When it may be sent again, in ticks of the client's clock.</summary>
    public long NotBefore { get; set; }

    /// <summary>Sequence number of the first record; -1 until it was sent first.</summary>
    public int BaseSequence { get; set; } = -1;

    /// <summary>The whole batch once <see cref="Seal"/> has completed it.</summary>
    public ReadOnlyMemory<byte> Sealed { get; private set; }

    public void Begin(PartitionQueue queue, int bytes, int reservedBytes, long now)
    {
        Queue = queue;
        _block = pool.Take(bytes);
        _size = BatchHeader.Bytes;
        ReservedBytes = reservedBytes;
        CreatedAt = now;
    }

    /// <summary>Adds a record; false if it does not fit.</summary>
    public bool TryAppend(in RecordFields fields, int bytesMax, long timestampMs, in Delivery delivery)
    {
        if (IsClosed)
        {
            return false;
        }

        if (Count == 0)
        {
            _baseTimestamp = timestampMs;
            _maxTimestamp = timestampMs;
        }

        var record = new RecordFields
        {
            TimestampDelta = timestampMs - _baseTimestamp,
            OffsetDelta = Count,
            HasKey = fields.HasKey,
            Key = fields.Key,
            HasValue = fields.HasValue,
            Value = fields.Value,
            Headers = fields.Headers,
            HeadersBytes = fields.HeadersBytes,
        };
        int size = RecordEncoder.Size(record, out int bodyBytes);

        // The first record may be larger than a batch should be: then it goes alone.
        if (size > _block.Length - _size || (Count > 0 && _size + size > bytesMax))
        {
            IsClosed = true;
            return false;
        }

        RecordEncoder.Write(_block.AsSpan(_size, size), bodyBytes, record);
        if (Count == _deliveries.Length)
        {
            Array.Resize(ref _deliveries, Math.Max(16, Count * 2));
        }

        _deliveries[Count] = delivery;
        _size += size;
        _maxTimestamp = Math.Max(_maxTimestamp, timestampMs);
        Count++;
        return true;
    }

    /// <summary>Completes the header. May be called again with another producer id.</summary>
    public void Seal(ProducerOptions options, long producerId, short producerEpoch)
    {
        if (options.Compression != CompressionType.None && !_isCompressed)
        {
            _compressed.GetSpan(BatchHeader.Bytes)[..BatchHeader.Bytes].Clear();
            _compressed.Advance(BatchHeader.Bytes);
            Compressor.Compress(options.Compression, options.CompressionLevel, _block.AsSpan(BatchHeader.Bytes, _size - BatchHeader.Bytes), _compressed);
            _isCompressed = true;
            ReturnBlock();
        }

        var content = new BatchContent
        {
            Compression = options.Compression,
            IsTransactional = options.IsTransactional,
            Count = Count,
            BaseTimestamp = _baseTimestamp,
            MaxTimestamp = _maxTimestamp,
            ProducerId = producerId,
            ProducerEpoch = producerEpoch,
            BaseSequence = BaseSequence,
        };
        BatchHeader.Write(_isCompressed ? _compressed.WrittenBytes : _block.AsSpan(0, _size), content);
        Sealed = _isCompressed ? _compressed.WrittenMemory : _block.AsMemory(0, _size);
    }

    /// <summary>Done when all records' observers were told.</summary>
    public Task WhenDoneAsync() => (_done ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Tells all who wait for a record.</summary>
    /// <param name="baseOffset">Of the first record; -1: not known.</param>
    /// <param name="logAppendTimeMs">The broker's time, where the topic has it so; else -1.</param>
    /// <param name="error">Null if the broker has the records.</param>
    public void Tell(long baseOffset, long logAppendTimeMs, KafkaClientException? error)
    {
        for (int i = 0; i < Count; i++)
        {
            ref readonly Delivery delivery = ref _deliveries[i];
            if (delivery.Observer is { } observer)
            {
                var metadata = new RecordMetadata(Queue.Partition, baseOffset < 0 || error is not null ? -1 : baseOffset + i, logAppendTimeMs >= 0 ? logAppendTimeMs : delivery.TimestampMs);
                Tell(observer, metadata, error, delivery.Token);
            }
        }
    }

    /// <summary>Gives the blocks back and forgets everything. Returns whom to tell that it is done.</summary>
    public TaskCompletionSource? Release()
    {
        ReturnBlock();
        _compressed.Dispose();
        _isCompressed = false;
        Sealed = default;
        if (_deliveries.Length > DeliveriesKeptMax)
        {
            _deliveries = [];
        }
        else
        {
            _deliveries.AsSpan(0, Count).Clear();
        }

        Queue = null!;
        Next = null;
        Count = 0;
        IsClosed = false;
        Attempts = 0;
        NotBefore = 0;
        BaseSequence = -1;
        TaskCompletionSource? done = _done;
        _done = null;
        return done;
    }

    public void Dispose() => Release();

    private static void Tell(IDeliveryObserver observer, in RecordMetadata metadata, KafkaClientException? error, long token)
    {
        try
        {
            observer.OnDelivery(metadata, error, token);
        }
#pragma warning disable CA1031 // Whatever the program's own code throws here is not about sending: it must not end the sender, nor keep the others from being told.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void ReturnBlock()
    {
        if (_block.Length > 0)
        {
            pool.Return(_block);
            _block = [];
        }
    }
}
