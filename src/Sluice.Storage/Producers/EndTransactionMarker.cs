using System.Buffers;
using System.Buffers.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Producers;

/// <summary>
/// The record of a control batch that ends a transaction, big-endian (https://kafka.apache.org/documentation/#controlbatch):
/// <code>key: version i16, type i16 (0 abort, 1 commit)   value: version i16, coordinator epoch i32</code>
/// </summary>
/// <param name="IsCommit">The transaction's records are valid; else readers of what is committed pass them.</param>
/// <param name="CoordinatorEpoch">Of the transaction coordinator that ends it.</param>
/// <param name="Timestamp">Unix ms.</param>
public readonly record struct EndTransactionMarker(bool IsCommit, int CoordinatorEpoch, long Timestamp)
{
    private const int KeyBytes = 4;
    private const int ValueBytes = 6;

    /// <summary>The control batch that ends a producer's transaction.</summary>
    /// <param name="producerId">Whose transaction ends.</param>
    /// <param name="epoch">Batches of earlier epochs are refused from now on.</param>
    public byte[] ToBatch(long producerId, short epoch)
    {
        Span<byte> key = stackalloc byte[KeyBytes];
        key.Clear();
        BinaryPrimitives.WriteInt16BigEndian(key[2..], IsCommit ? (short)1 : (short)0);
        byte[] value = new byte[ValueBytes];
        BinaryPrimitives.WriteInt32BigEndian(value.AsSpan(2), CoordinatorEpoch);
        using RecordBatchBuilder builder = new() { IsBrokerMessage = false, IsControl = true, Producer = new BatchProducer(producerId, epoch, -1, IsTransactional: true) };
        builder.Append(Timestamp, hasKey: true, key, hasValue: true, new ReadOnlySequence<byte>(value), default, 0);
        return builder.Seal().ToArray();
    }

    /// <summary>False for a control batch of another kind, or one whose marker compaction has removed.</summary>
    public static bool TryRead(ReadOnlySpan<byte> batch, out EndTransactionMarker marker)
    {
        marker = default;
        RecordBatchReader records = new(batch);
        if (!records.TryRead(out RecordView record) || record.Key.Length < KeyBytes || record.Value.Length < ValueBytes)
        {
            return false;
        }
        short type = BinaryPrimitives.ReadInt16BigEndian(record.Key[2..]);
        marker = new EndTransactionMarker(type == 1, BinaryPrimitives.ReadInt32BigEndian(record.Value[2..]), record.Timestamp);
        return type is 0 or 1;
    }
}
