using System.Buffers;

namespace Sluice.Storage.Records;

/// <summary>
/// Encodes records into one Kafka v2 record batch outside of any lock. The base offset is left 0: it is outside the
/// checksum and is set when a log takes the batch. Reusable; owns one pooled buffer that grows; not thread-safe.
/// </summary>
public sealed class RecordBatchBuilder : IDisposable
{
    /// <summary>Records added since the last <see cref="Clear"/>.</summary>
    public int Count => throw new NotImplementedException();

    /// <summary>Bytes of the batch so far, header included.</summary>
    public int Size => throw new NotImplementedException();

    /// <summary>Adds a record with no key. <paramref name="encodedHeaders"/> as in <see cref="RecordView.Headers"/>. No allocation in the steady state.</summary>
    public void Append(long timestampMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> encodedHeaders, int headerCount) => throw new NotImplementedException();

    /// <summary>Adds a record with an optional key and value.</summary>
    public void Append(long timestampMs, bool hasKey, ReadOnlySpan<byte> key, bool hasValue, in ReadOnlySequence<byte> value, ReadOnlySpan<byte> encodedHeaders, int headerCount) => throw new NotImplementedException();

    /// <summary>Completes header and CRC-32C and lends the batch until <see cref="Clear"/>.</summary>
    public ReadOnlySpan<byte> Seal() => throw new NotImplementedException();

    /// <summary>Starts over, keeping the buffer (shrinks one that grew beyond its normal size).</summary>
    public void Clear() => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
