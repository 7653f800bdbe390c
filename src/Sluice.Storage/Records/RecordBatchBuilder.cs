using System.Buffers;
using Sluice.Base.Binary;

namespace Sluice.Storage.Records;

/// <summary>
/// Encodes records into one Kafka v2 record batch outside of any lock. The base offset is left 0: it is outside the
/// checksum and is set when a log takes the batch. Reusable; owns one pooled buffer that grows; not thread-safe.
/// </summary>
public sealed class RecordBatchBuilder : IDisposable
{
    /// <summary>Small, because a message to thousands of queues has a builder for each.</summary>
    private const int FirstBytes = 2 << 10;
    private const int KeptBytesMax = 1 << 20;

    private byte[] _buffer = [];
    private int _size = RecordBatch.HeaderBytes;
    private long _baseTimestamp;
    private long _maxTimestamp;
    private bool _sealed;

    /// <summary>Whether the batch says that its records are the broker's own kind; see <see cref="RecordBatch.IsBrokerMessage"/>.</summary>
    public bool IsBrokerMessage { get; init; } = true;

    /// <summary>Whether the batch holds a marker instead of records for consumers; see <see cref="RecordBatch.IsControl"/>.</summary>
    public bool IsControl { get; init; }

    /// <summary>Whose the batches are from now on; looked at when a batch is sealed.</summary>
    public BatchProducer Producer { get; set; } = BatchProducer.None;

    /// <summary>Records added since the last <see cref="Clear"/>.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of the batch so far, header included.</summary>
    public int Size => _size;

    /// <summary>Adds a record with no key. <paramref name="encodedHeaders"/> as in <see cref="RecordView.Headers"/>. No allocation in the steady state.</summary>
    public void Append(long timestampMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> encodedHeaders, int headerCount)
    {
        Span<byte> body = Begin(timestampMs, hasKey: false, default, hasValue: true, value.Length, encodedHeaders.Length, headerCount, out int at);
        value.CopyTo(body[at..]);
        Finish(body, at + value.Length, encodedHeaders, headerCount);
    }

    /// <summary>Adds a record with an optional key and value. No allocation in the steady state.</summary>
    public void Append(long timestampMs, bool hasKey, ReadOnlySpan<byte> key, bool hasValue, ReadOnlySpan<byte> value, ReadOnlySpan<byte> encodedHeaders, int headerCount)
    {
        Span<byte> body = Begin(timestampMs, hasKey, key, hasValue, value.Length, encodedHeaders.Length, headerCount, out int at);
        value.CopyTo(body[at..]);
        Finish(body, at + value.Length, encodedHeaders, headerCount);
    }

    /// <summary>Adds a record with an optional key and value.</summary>
    public void Append(long timestampMs, bool hasKey, ReadOnlySpan<byte> key, bool hasValue, in ReadOnlySequence<byte> value, ReadOnlySpan<byte> encodedHeaders, int headerCount)
    {
        int valueLength = hasValue ? checked((int)value.Length) : 0;
        Span<byte> body = Begin(timestampMs, hasKey, key, hasValue, valueLength, encodedHeaders.Length, headerCount, out int at);
        if (hasValue)
        {
            value.CopyTo(body[at..]);
        }
        Finish(body, at + valueLength, encodedHeaders, headerCount);
    }

    /// <summary>Completes header and CRC-32C and lends the batch until <see cref="Clear"/>.</summary>
    public ReadOnlySpan<byte> Seal()
    {
        if (Count == 0)
        {
            throw new InvalidOperationException("A record batch needs at least one record.");
        }
        Span<byte> batch = _buffer.AsSpan(0, _size);
        if (!_sealed)
        {
            int attributes = (IsBrokerMessage ? RecordBatch.BrokerMessageBit : 0) | (IsControl ? RecordBatch.ControlBit : 0) | (Producer.IsTransactional ? RecordBatch.TransactionalBit : 0);
            RecordBatch.WriteHeader(batch, (short)attributes, Count, _baseTimestamp, _maxTimestamp, Producer);
            _sealed = true;
        }
        return batch;
    }

    /// <summary>Moves the times of all records by the same; before the batch is sealed.</summary>
    public void ShiftTimestamps(long deltaMs)
    {
        ThrowIfSealed();
        _baseTimestamp += deltaMs;
        _maxTimestamp += deltaMs;
    }

    /// <summary>Copies bytes of the batch.</summary>
    /// <param name="position">Counted as <see cref="Size"/> is.</param>
    /// <param name="destination">Filled.</param>
    public void Read(int position, Span<byte> destination) => _buffer.AsSpan(0, _size).Slice(position, destination.Length).CopyTo(destination);

    /// <summary>Overwrites bytes within the batch; before it is sealed.</summary>
    /// <param name="position">Counted as <see cref="Size"/> is.</param>
    /// <param name="bytes">As long as what was there.</param>
    public void Overwrite(int position, ReadOnlySpan<byte> bytes)
    {
        ThrowIfSealed();
        bytes.CopyTo(_buffer.AsSpan(0, _size)[position..]);
    }

    /// <summary>Cuts the batch back to its first records; it may be sealed again.</summary>
    /// <param name="count">Records kept, at least 1.</param>
    /// <param name="size">What <see cref="Size"/> was after the last of them was added.</param>
    public void Truncate(int count, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, _size);
        Count = count;
        _size = size;
        _sealed = false;
    }

    /// <summary>Takes back a <see cref="Truncate"/>; the batch may be sealed again.</summary>
    /// <param name="count">Records before it.</param>
    /// <param name="size">What <see cref="Size"/> was before it.</param>
    public void Restore(int count, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, _buffer.Length);
        Count = count;
        _size = size;
        _sealed = false;
    }

    /// <summary>Starts over, keeping the buffer (shrinks one that grew beyond its normal size).</summary>
    public void Clear()
    {
        Count = 0;
        _size = RecordBatch.HeaderBytes;
        _sealed = false;
        if (_buffer.Length > KeptBytesMax)
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        if (_buffer.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
        Count = 0;
        _size = RecordBatch.HeaderBytes;
        _sealed = false;
    }

    private Span<byte> Begin(long timestampMs, bool hasKey, ReadOnlySpan<byte> key, bool hasValue, int valueLength, int headersLength, int headerCount, out int at)
    {
        ThrowIfSealed();
        if (!hasKey && !key.IsEmpty)
        {
            throw new ArgumentException("A record without a key cannot have key bytes.", nameof(key));
        }
        if (Count == 0)
        {
            _baseTimestamp = timestampMs;
            _maxTimestamp = timestampMs;
        }
        long timestampDelta = timestampMs - _baseTimestamp;
        long keyField = hasKey ? key.Length : -1;
        long valueField = hasValue ? valueLength : -1;
        int length = checked(1 + Varint.Size(timestampDelta) + Varint.Size(Count) + Varint.Size(keyField) + key.Length
            + Varint.Size(valueField) + valueLength + Varint.Size(headerCount) + headersLength);
        int total = checked(length + Varint.Size(length));
        EnsureRoom(total);
        Span<byte> record = _buffer.AsSpan(_size, total);
        at = Varint.Write(record, length);
        record[at++] = 0;
        at += Varint.Write(record[at..], timestampDelta);
        at += Varint.Write(record[at..], Count);
        at += Varint.Write(record[at..], keyField);
        key.CopyTo(record[at..]);
        at += key.Length;
        at += Varint.Write(record[at..], valueField);
        _maxTimestamp = Math.Max(_maxTimestamp, timestampMs);
        return record;
    }

    private void Finish(Span<byte> record, int at, ReadOnlySpan<byte> encodedHeaders, int headerCount)
    {
        at += Varint.Write(record[at..], headerCount);
        encodedHeaders.CopyTo(record[at..]);
        _size += record.Length;
        Count++;
    }

    private void ThrowIfSealed()
    {
        if (_sealed)
        {
            throw new InvalidOperationException("The batch is sealed; clear the builder first.");
        }
    }

    private void EnsureRoom(int bytes)
    {
        int needed = checked(_size + bytes);
        if (needed <= _buffer.Length)
        {
            return;
        }
        long doubled = Math.Max(FirstBytes, Math.Min((long)_buffer.Length * 2, Array.MaxLength));
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(needed, doubled));
        _buffer.AsSpan(0, Math.Min(_size, _buffer.Length)).CopyTo(larger);
        if (_buffer.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
        _buffer = larger;
    }
}
