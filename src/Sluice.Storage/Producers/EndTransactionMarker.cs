using System.Buffers.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Producers;

/// <summary>
/// The record of a control batch that ends a transaction, big-endian (https://kafka.apache.org/documentation/#controlbatch):
/// <code>key: version i16, type i16 (0 abort, 1 commit)   value: version i16, coordinator epoch i32</code>
/// </summary>
internal readonly record struct EndTransactionMarker(bool IsCommit, int CoordinatorEpoch, long Timestamp)
{
    private const int KeyBytes = 4;
    private const int ValueBytes = 6;

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
