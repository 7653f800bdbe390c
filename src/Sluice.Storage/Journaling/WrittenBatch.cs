using System.Buffers.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Journaling;

/// <summary>
/// What the journal says of a batch whose bytes are in a segment file only. Little-endian:
/// <code>0 base offset i64   8 end offset i64 (one past the last)   16 the batch's own checksum u32   20 its size i32</code>
/// </summary>
internal readonly record struct WrittenBatch(long BaseOffset, long EndOffset, uint Checksum, int Bytes)
{
    public const int PayloadBytes = 24;

    public static WrittenBatch Of(ReadOnlySpan<byte> batch) =>
        new(RecordBatch.BaseOffset(batch), RecordBatch.EndOffset(batch), RecordBatch.Checksum(batch), batch.Length);

    public static WrittenBatch Read(ReadOnlySpan<byte> payload) => new(
        BinaryPrimitives.ReadInt64LittleEndian(payload),
        BinaryPrimitives.ReadInt64LittleEndian(payload[8..]),
        BinaryPrimitives.ReadUInt32LittleEndian(payload[16..]),
        BinaryPrimitives.ReadInt32LittleEndian(payload[20..]));

    public void Write(Span<byte> payload)
    {
        BinaryPrimitives.WriteInt64LittleEndian(payload, BaseOffset);
        BinaryPrimitives.WriteInt64LittleEndian(payload[8..], EndOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(payload[16..], Checksum);
        BinaryPrimitives.WriteInt32LittleEndian(payload[20..], Bytes);
    }
}
