using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Sluice.Base.Compression;

/// <summary>
/// Snappy as Kafka's clients have it: blocks in the framing of snappy-java's streams (all integers big-endian), or one bare block.
/// <code>
/// 0 magic 82 "SNAPPY" 00   8 version i32 = 1   12 lowest compatible version i32 = 1   16 blocks: length i32, raw block
/// </code>
/// Streams that follow one another are one. A raw block begins with its size decompressed.
/// </summary>
internal static partial class SnappyCodec
{
    private const string Name = "libsnappy.so.1";
    private const int FrameHeaderBytes = 16;
    private const int BlockBytes = 32 << 10;

    /// <summary>Nothing in a raw block says more than a copy of 64 bytes in 3.</summary>
    private const int RatioMax = 22;

    public static readonly NativeCodecLibrary Library = new(Name, "libsnappy1v5");

    private enum Status
    {
        Ok = 0,
    }

    private static ReadOnlySpan<byte> FrameHeader => [0x82, (byte)'S', (byte)'N', (byte)'A', (byte)'P', (byte)'P', (byte)'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];

    public static void Decompress(ReadOnlySpan<byte> source, int sizeMax, IBufferWriter<byte> output)
    {
        Library.Require();
        if (!IsFrame(source))
        {
            DecompressBlock(source, sizeMax, sizeMax, output);
            return;
        }
        int left = sizeMax;
        while (!source.IsEmpty)
        {
            if (IsFrame(source))
            {
                source = source[FrameHeaderBytes..];
                continue;
            }
            if (source.Length < sizeof(int))
            {
                throw CutShort();
            }
            int length = BinaryPrimitives.ReadInt32BigEndian(source);
            source = source[sizeof(int)..];
            if (length < 0 || length > source.Length)
            {
                throw CutShort();
            }
            left -= DecompressBlock(source[..length], left, sizeMax, output);
            source = source[length..];
        }
    }

    public static void Compress(ReadOnlySpan<byte> source, IBufferWriter<byte> output)
    {
        Library.Require();
        output.Write(FrameHeader);
        int blockMax = checked((int)MaxCompressedLength(BlockBytes));
        while (!source.IsEmpty)
        {
            ReadOnlySpan<byte> block = source[..Math.Min(BlockBytes, source.Length)];
            Span<byte> target = output.GetSpan(sizeof(int) + blockMax);
            nuint length = (nuint)blockMax;
            if (Compress(block, (nuint)block.Length, target[sizeof(int)..], ref length) != Status.Ok)
            {
                throw new InvalidOperationException("Snappy could not compress a block.");
            }
            BinaryPrimitives.WriteInt32BigEndian(target, (int)length);
            output.Advance(sizeof(int) + (int)length);
            source = source[block.Length..];
        }
    }

    private static bool IsFrame(ReadOnlySpan<byte> source) => source.Length >= FrameHeaderBytes && source[..8].SequenceEqual(FrameHeader[..8]);

    private static int DecompressBlock(ReadOnlySpan<byte> block, int left, int sizeMax, IBufferWriter<byte> output)
    {
        if (UncompressedLength(block, (nuint)block.Length, out nuint claimed) != Status.Ok)
        {
            throw CutShort();
        }
        // Before any memory is taken for it: a block that claims what it cannot hold is damaged.
        if (claimed > (nuint)block.Length * RatioMax)
        {
            throw new CompressedDataException("A snappy block claims more than it can hold.");
        }
        if (claimed > (nuint)left)
        {
            throw DecompressionLimitException.Over(sizeMax);
        }
        int size = (int)claimed;
        Span<byte> target = output.GetSpan(Math.Max(1, size));
        nuint written = claimed;
        if (Uncompress(block, (nuint)block.Length, target, ref written) != Status.Ok)
        {
            throw CutShort();
        }
        output.Advance(size);
        return size;
    }

    private static CompressedDataException CutShort() => new("The snappy data is damaged or cut short.");

    [LibraryImport(Name, EntryPoint = "snappy_compress")]
    private static partial Status Compress(ReadOnlySpan<byte> input, nuint inputLength, Span<byte> compressed, ref nuint compressedLength);

    [LibraryImport(Name, EntryPoint = "snappy_uncompress")]
    private static partial Status Uncompress(ReadOnlySpan<byte> compressed, nuint compressedLength, Span<byte> uncompressed, ref nuint uncompressedLength);

    [LibraryImport(Name, EntryPoint = "snappy_max_compressed_length")]
    private static partial nuint MaxCompressedLength(nuint sourceLength);

    [LibraryImport(Name, EntryPoint = "snappy_uncompressed_length")]
    private static partial Status UncompressedLength(ReadOnlySpan<byte> compressed, nuint compressedLength, out nuint result);
}
