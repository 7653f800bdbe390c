using Sluice.Base.Buffers;
using Sluice.Base.Compression;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>
/// Looks at what a producer sends before it becomes a part of a log, as Kafka's LogValidator does, and brings it into the form that the topic wants. As a rule the batch
/// passes as it came. Owns the memory of a batch that had to be changed until disposed.
/// </summary>
internal ref struct BatchIntake(BufferPool pool, TopicSettings settings, long nowMs)
{
    /// <summary>Records of one batch take at most this when decompressed, in bytes: what the log can open again.</summary>
    private const int DecompressedBytesMax = LogStoreOptions.DecompressedBatchBytesDefault;

    private const int MagicPosition = 16;
    private const byte Magic = 2;
    private const short ZstdFromVersion = 7;
    private const int RecordErrorsMax = 100;

    private PooledBufferWriter? _changed;
    private long _maxTimestamp = -1;
    private List<ProduceResponse.BatchIndexAndErrorMessage>? _recordErrors;
    private bool _hasWrongTimestamp;

    /// <summary>What is wrong with the batch; null: nothing, or the error's code says it.</summary>
    public string? Message { get; private set; }

    /// <summary>The records that are wrong, by their place in the batch, if it is not the batch itself.</summary>
    public readonly ProduceResponse.BatchIndexAndErrorMessage[] RecordErrors => _recordErrors is null ? [] : [.. _recordErrors];

    /// <summary>What is to be appended.</summary>
    public ReadOnlySpan<byte> Batch { get; private set; }

    /// <summary>Whether the bytes are one whole, intact record batch that the topic takes; <see cref="Batch"/> is what it takes then.</summary>
    /// <param name="records">As they came.</param>
    /// <param name="version">Of the produce request.</param>
    public KafkaErrorCode Take(ReadOnlySpan<byte> records, short version)
    {
        KafkaErrorCode error = CheckFrame(records);
        if (error != KafkaErrorCode.None)
        {
            return error;
        }

        error = CheckHeader(records);
        if (error != KafkaErrorCode.None)
        {
            return error;
        }

        if (version < ZstdFromVersion && RecordBatch.CompressionType(records) == CompressionType.Zstd)
        {
            Message = $"Produce requests of version {version} are not allowed to use zstd.";
            return KafkaErrorCode.UnsupportedCompressionType;
        }

        Batch = records;
        CompressionType wanted = WantedCompression(RecordBatch.CompressionType(records));
        if (!RecordBatch.IsCompressed(records))
        {
            error = CheckRecords(records, records[RecordBatch.HeaderBytes..]);
            if (error == KafkaErrorCode.None && wanted != CompressionType.None)
            {
                Compress(records, records[RecordBatch.HeaderBytes..], wanted);
            }
        }
        else
        {
            error = TakeCompressed(records, wanted);
        }

        if (error == KafkaErrorCode.None && settings.UsesAppendTime)
        {
            RecordBatch.SetAppendTime(Changeable(), nowMs);
            Batch = _changed!.WrittenSpan;
        }
        else if (error == KafkaErrorCode.None && RecordBatch.MaxTimestamp(Batch) != _maxTimestamp)
        {
            // Searches by time go by what the header says.
            RecordBatch.SetMaxTimestamp(Changeable(), _maxTimestamp);
            Batch = _changed!.WrittenSpan;
        }

        // What the topic's form makes of a batch counts too, as in Kafka: a small one may hide very much.
        return error == KafkaErrorCode.None ? CheckSize(Batch.Length) : error;
    }

    public readonly void Dispose() => _changed?.Dispose();

    private KafkaErrorCode CheckFrame(ReadOnlySpan<byte> records)
    {
        if (records.Length <= MagicPosition)
        {
            return Invalid("One or more records have been rejected: produce requests must contain exactly one record batch.");
        }

        if (records[MagicPosition] > Magic)
        {
            return KafkaErrorCode.CorruptMessage;
        }

        if (records[MagicPosition] != Magic)
        {
            return Invalid($"Produce requests must contain only record batches of version 2, not {records[MagicPosition]}.");
        }

        int size = RecordBatch.Size(records);
        if (size < RecordBatch.HeaderBytes)
        {
            return KafkaErrorCode.CorruptMessage;
        }

        if (size > records.Length)
        {
            return Invalid($"The record batch has {size} bytes, {records.Length} are there.");
        }

        if (!RecordBatch.HasRightChecksum(records[..size]))
        {
            return KafkaErrorCode.CorruptMessage;
        }

        if (size < records.Length)
        {
            return Invalid("Produce requests must contain exactly one record batch for each partition.");
        }

        return CheckSize(records.Length);
    }

    private KafkaErrorCode CheckSize(int bytes)
    {
        if (bytes <= settings.MaxMessageBytes)
        {
            return KafkaErrorCode.None;
        }

        Message = $"The record batch has {bytes} bytes; the topic takes at most {settings.MaxMessageBytes} (max.message.bytes).";
        return KafkaErrorCode.MessageTooLarge;
    }

    private KafkaErrorCode CheckHeader(ReadOnlySpan<byte> batch)
    {
        int count = RecordBatch.RecordCount(batch);
        if (count <= 0 || RecordBatch.LastOffsetDelta(batch) != count - 1)
        {
            return Invalid($"Inconsistent batch: {count} records, last offset delta {RecordBatch.LastOffsetDelta(batch)}.");
        }

        if (RecordBatch.BaseOffset(batch) != 0)
        {
            return Invalid($"The base offset of the record batch should be 0, but it is {RecordBatch.BaseOffset(batch)}.");
        }

        if (RecordBatch.IsControl(batch))
        {
            return Invalid("Clients are not allowed to write control records.");
        }

        if (RecordBatch.IsLogAppendTime(batch))
        {
            Message = "The timestamp type of a record batch is the broker's to set.";
            return KafkaErrorCode.InvalidTimestamp;
        }

        if (RecordBatch.IsBrokerMessage(batch) || RecordBatch.HasDeleteHorizon(batch))
        {
            return Invalid("The batch has attributes that are the broker's to set.");
        }

        if (RecordBatch.ProducerId(batch) >= 0 && (RecordBatch.ProducerEpoch(batch) < 0 || RecordBatch.BaseSequence(batch) < 0))
        {
            return Invalid("A batch of an idempotent producer needs an epoch and a sequence number.");
        }

        if (RecordBatch.IsTransactional(batch) && RecordBatch.ProducerId(batch) < 0)
        {
            return Invalid("A batch of a transaction needs a producer id.");
        }

        return KafkaErrorCode.None;
    }

    private KafkaErrorCode TakeCompressed(ReadOnlySpan<byte> batch, CompressionType wanted)
    {
        CompressionType type = RecordBatch.CompressionType(batch);
        using var records = new PooledBufferWriter(pool);
        try
        {
            Compressor.Decompress(type, batch[RecordBatch.HeaderBytes..], DecompressedBytesMax, records);
        }
        catch (CompressionLibraryMissingException error)
        {
            Message = error.Message;
            return KafkaErrorCode.UnsupportedCompressionType;
        }
        catch (DecompressionLimitException)
        {
            Message = $"The records of the batch take more than {DecompressedBytesMax} bytes when decompressed.";
            return KafkaErrorCode.MessageTooLarge;
        }
        catch (Exception error) when (error is CompressedDataException or ArgumentOutOfRangeException)
        {
            return Invalid($"The batch cannot be decompressed: {error.Message}");
        }

        KafkaErrorCode checkedError = CheckRecords(batch, records.WrittenSpan);
        if (checkedError == KafkaErrorCode.None && wanted != type)
        {
            Compress(batch, records.WrittenSpan, wanted);
        }

        return checkedError;
    }

    private KafkaErrorCode CheckRecords(ReadOnlySpan<byte> batch, ReadOnlySpan<byte> records)
    {
        var reader = new RecordBatchReader(batch, records);
        long first = RecordBatch.BaseOffset(batch);
        int count = RecordBatch.RecordCount(batch);
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryRead(out RecordView record) || !RecordHeaders.AreValid(record))
            {
                return Invalid($"Record {i} of the batch cannot be read.");
            }

            if (record.Offset - first != i)
            {
                return Invalid($"Record {i} of the batch has offset delta {record.Offset - first}.");
            }

            _maxTimestamp = Math.Max(_maxTimestamp, record.Timestamp);
            if (settings.IsCompacted && !record.HasKey)
            {
                Reject(i, "The record has no key: the topic is compacted, which goes by keys.");
            }
            else
            {
                CheckTimestamp(i, record.Timestamp);
            }
        }

        if (!reader.IsAtEnd)
        {
            return Invalid("Bytes follow the last record of the batch.");
        }

        if (_recordErrors is null)
        {
            return KafkaErrorCode.None;
        }

        if (_hasWrongTimestamp)
        {
            Message = "One or more records have been rejected due to invalid timestamp";
            return KafkaErrorCode.InvalidTimestamp;
        }

        return Invalid($"One or more records have been rejected: {_recordErrors[0].BatchIndexErrorMessage}");
    }

    private void CheckTimestamp(int index, long timestamp)
    {
        if (!settings.UsesAppendTime && timestamp >= 0
            && (timestamp - nowMs > settings.TimestampAfterMaxMs || nowMs - timestamp > settings.TimestampBeforeMaxMs))
        {
            _hasWrongTimestamp = true;
            Reject(index, $"Timestamp {timestamp} of the record is out of range: the broker's time is {nowMs}, see message.timestamp.before.max.ms and message.timestamp.after.max.ms.");
        }
    }

    private void Reject(int index, string message)
    {
        _recordErrors ??= [];
        if (_recordErrors.Count < RecordErrorsMax)
        {
            _recordErrors.Add(new ProduceResponse.BatchIndexAndErrorMessage { BatchIndex = index, BatchIndexErrorMessage = message });
        }
    }

    private readonly CompressionType WantedCompression(CompressionType sent) => settings.Compression switch
    {
        "uncompressed" => CompressionType.None,
        "gzip" => CompressionType.Gzip,
        "snappy" => CompressionType.Snappy,
        "lz4" => CompressionType.Lz4,
        "zstd" => CompressionType.Zstd,
        _ => sent,
    };

    private void Compress(ReadOnlySpan<byte> batch, ReadOnlySpan<byte> records, CompressionType type)
    {
        _changed = new PooledBufferWriter(pool);
        batch[..RecordBatch.HeaderBytes].CopyTo(_changed.GetSpan(RecordBatch.HeaderBytes));
        _changed.Advance(RecordBatch.HeaderBytes);
        Compressor.Compress(type, level: null, records, _changed);
        RecordBatch.SetCompression(_changed.WrittenBytes, type);
        Batch = _changed.WrittenSpan;
    }

    private Span<byte> Changeable()
    {
        if (_changed is null)
        {
            _changed = new PooledBufferWriter(pool);
            Batch.CopyTo(_changed.GetSpan(Batch.Length));
            _changed.Advance(Batch.Length);
        }

        return _changed.WrittenBytes;
    }

    private KafkaErrorCode Invalid(string message)
    {
        Message = message;
        return KafkaErrorCode.InvalidRecord;
    }
}
