using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Sluice.Storage.Metadata;

/// <summary>One operation as stored; a null value deletes.</summary>
internal readonly record struct StoredOperation(string Key, byte[]? Value, long CreateRevision);

/// <summary>
/// A committed transaction as the value of one record, little-endian:
/// <code>0 version u8 = 1  1 revision i64  9 operations i32  then per operation: key length i32, key (UTF-8), create revision i64, value length i32 (-1: delete), value</code>
/// </summary>
internal static class MetadataCodec
{
    private const byte Version = 1;

    public static void Write(ArrayBufferWriter<byte> target, long revision, IReadOnlyList<StoredOperation> operations)
    {
        Span<byte> head = target.GetSpan(13);
        head[0] = Version;
        BinaryPrimitives.WriteInt64LittleEndian(head[1..], revision);
        BinaryPrimitives.WriteInt32LittleEndian(head[9..], operations.Count);
        target.Advance(13);
        foreach (StoredOperation operation in operations)
        {
            int keyLength = Encoding.UTF8.GetByteCount(operation.Key);
            int size = 16 + keyLength + (operation.Value?.Length ?? 0);
            Span<byte> at = target.GetSpan(size);
            BinaryPrimitives.WriteInt32LittleEndian(at, keyLength);
            Encoding.UTF8.GetBytes(operation.Key, at[4..]);
            at = at[(4 + keyLength)..];
            BinaryPrimitives.WriteInt64LittleEndian(at, operation.CreateRevision);
            BinaryPrimitives.WriteInt32LittleEndian(at[8..], operation.Value?.Length ?? -1);
            operation.Value?.CopyTo(at[12..]);
            target.Advance(size);
        }
    }

    /// <exception cref="StorageFormatException">Not a transaction this program knows.</exception>
    public static (long Revision, List<StoredOperation> Operations) Read(ReadOnlySpan<byte> source)
    {
        if (source.Length < 13 || source[0] != Version)
        {
            throw new StorageFormatException($"The metadata log holds a record of version {(source.IsEmpty ? 0 : source[0])}; this program knows version {Version}. Start the newer program that wrote it.");
        }
        long revision = BinaryPrimitives.ReadInt64LittleEndian(source[1..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(source[9..]);
        source = source[13..];
        List<StoredOperation> operations = new(count);
        for (int i = 0; i < count; i++)
        {
            int keyLength = BinaryPrimitives.ReadInt32LittleEndian(source);
            string key = Encoding.UTF8.GetString(source.Slice(4, keyLength));
            source = source[(4 + keyLength)..];
            long createRevision = BinaryPrimitives.ReadInt64LittleEndian(source);
            int valueLength = BinaryPrimitives.ReadInt32LittleEndian(source[8..]);
            source = source[12..];
            byte[]? value = valueLength < 0 ? null : source[..valueLength].ToArray();
            source = source[Math.Max(0, valueLength)..];
            operations.Add(new StoredOperation(key, value, createRevision));
        }
        return (revision, operations);
    }
}
