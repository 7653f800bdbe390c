using System.Buffers.Binary;
using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Storage.Journaling;

/// <summary>Kinds of journal entries. Persisted; values never change.</summary>
internal enum JournalEntryType : byte
{
    /// <summary>Payload: one record batch with its base offset set.</summary>
    Append = 1,

    /// <summary>Payload: ranges of settled offsets, each from i64 (inclusive), to i64 (exclusive).</summary>
    Settle = 2,

    /// <summary>Payload: pairs of offset i64, delivery count i32.</summary>
    DeliveryCounts = 3,

    /// <summary>Payload: see <see cref="LogDefinition"/>.</summary>
    CreateLog = 4,

    /// <summary>No payload.</summary>
    DeleteLog = 5,

    /// <summary>Payload: operations that hold together or not at all, each an operation header and its payload.</summary>
    Group = 6,

    /// <summary>Payload: the offset i64 below which the log was cut.</summary>
    StartOffset = 7,

    /// <summary>Payload: see <see cref="LogDefinition"/>.</summary>
    SetRetention = 8,

    /// <summary>A batch whose bytes are in the log's segment file only: since before this entry was written, or, promised to memory only, perhaps. Payload: see <see cref="WrittenBatch"/>.</summary>
    Written = 9,
}

/// <summary>One entry's header as read.</summary>
internal readonly record struct JournalEntryHeader(JournalEntryType Type, Durability Promise, long LogId, int PayloadBytes, uint BodyCrc, long DurableBefore);

/// <summary>
/// The journal's bytes. Little-endian. A file begins with a header of 64 bytes, then entries one after another, each padded to 8 bytes:
/// <code>
/// file:   0 magic "SLUICEWL"   8 version u32  12 crc u32 (of 16..64)  16 epoch i64  24 first position i64  32 zeros
/// entry:  0 head crc u32 (of 4..32, seeded with epoch and position)   4 payload length u32
///         8 body crc u32       12 durable lag u32                     16 log id i64
///        24 type u8            25 promise u8                          26 zeros
///        32 payload
/// group operation: 0 payload length u32  4 type u8  5 zeros  8 log id i64  16 payload, padded to 8
/// </code>
/// The body checksum covers the payload; of an append only the batch's own header, which holds the checksum of the rest.
/// Position of an entry = the file's first position + its file offset - 64. Positions never repeat in the life of a store,
/// so bytes left over in a recycled file never pass for an entry.
/// </summary>
internal static class JournalFormat
{
    public const int FileHeaderBytes = 64;
    public const int EntryHeaderBytes = 32;
    public const int OperationHeaderBytes = 16;
    public const uint Version = 2;

    /// <summary>Position of a new store's first entry; 0 stays free for "nothing to wait for".</summary>
    public const long FirstPosition = 8;

    private static ReadOnlySpan<byte> FileMagic => "SLUICEWL"u8;

    public static int Padded(int bytes) => checked(bytes + 7) & ~7;

    public static string FileName(long epoch) => $"{epoch:x16}.wal";

    public static bool TryParseFileName(string name, out long epoch)
    {
        epoch = 0;
        return name.Length == 20 && name.EndsWith(".wal", StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, 16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out epoch);
    }

    public static void WriteFileHeader(Span<byte> header, long epoch, long firstPosition)
    {
        header[..FileHeaderBytes].Clear();
        FileMagic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], epoch);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], firstPosition);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], Crc32C.Compute(header[16..FileHeaderBytes]));
    }

    /// <summary>False if this is no intact header of the epoch's file.</summary>
    /// <exception cref="StorageFormatException">The file is of a newer format.</exception>
    public static bool TryReadFileHeader(ReadOnlySpan<byte> header, long epoch, out long firstPosition)
    {
        firstPosition = 0;
        if (header.Length < FileHeaderBytes || !header[..8].SequenceEqual(FileMagic)
            || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != Crc32C.Compute(header[16..FileHeaderBytes]))
        {
            return false;
        }
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (version > Version)
        {
            throw new StorageFormatException($"The journal file {FileName(epoch)} has format {version}; this program knows formats up to {Version}. Start the newer program that wrote it, or restore a backup.");
        }
        firstPosition = BinaryPrimitives.ReadInt64LittleEndian(header[24..]);
        return BinaryPrimitives.ReadInt64LittleEndian(header[16..]) == epoch;
    }

    public static void WriteEntryHeader(Span<byte> header, JournalEntryType type, Durability promise, long logId, int payloadBytes, uint bodyCrc, long epoch, long position, long durable)
    {
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], payloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], bodyCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)Math.Clamp(position - durable, 0, uint.MaxValue));
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], logId);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], (byte)type | ((long)promise << 8));
        BinaryPrimitives.WriteUInt32LittleEndian(header, HeadCrc(header, epoch, position));
    }

    /// <summary>False if no entry of this epoch begins at this position.</summary>
    public static bool TryReadEntryHeader(ReadOnlySpan<byte> header, long epoch, long position, out JournalEntryHeader entry)
    {
        entry = default;
        if (header.Length < EntryHeaderBytes || header[24] is 0 or > (byte)JournalEntryType.Written
            || BinaryPrimitives.ReadUInt32LittleEndian(header) != HeadCrc(header, epoch, position))
        {
            return false;
        }
        int payloadBytes = BinaryPrimitives.ReadInt32LittleEndian(header[4..]);
        if (payloadBytes < 0)
        {
            return false;
        }
        entry = new JournalEntryHeader(
            (JournalEntryType)header[24],
            (Durability)header[25],
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            payloadBytes,
            BinaryPrimitives.ReadUInt32LittleEndian(header[8..]),
            position - BinaryPrimitives.ReadUInt32LittleEndian(header[12..]));
        return true;
    }

    public static uint BodyCrc(JournalEntryType type, ReadOnlySpan<byte> payload) =>
        Crc32C.Compute(type == JournalEntryType.Append ? payload[..RecordBatch.HeaderBytes] : payload);

    /// <summary>True if the payload is what was written, a batch's own checksum included.</summary>
    public static bool IsPayloadIntact(in JournalEntryHeader entry, ReadOnlySpan<byte> payload)
    {
        if (entry.Type != JournalEntryType.Append)
        {
            return Crc32C.Compute(payload) == entry.BodyCrc;
        }
        return payload.Length >= RecordBatch.HeaderBytes
            && BodyCrc(entry.Type, payload) == entry.BodyCrc && RecordBatch.IsIntact(payload);
    }

    private static uint HeadCrc(ReadOnlySpan<byte> header, long epoch, long position)
    {
        uint state = System.Numerics.BitOperations.Crc32C(~0u, (ulong)epoch);
        state = System.Numerics.BitOperations.Crc32C(state, (ulong)position);
        return ~Crc32C.Update(state, header[4..EntryHeaderBytes]);
    }
}
