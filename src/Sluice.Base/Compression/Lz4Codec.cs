using System.Buffers;
using System.Runtime.InteropServices;

namespace Sluice.Base.Compression;

/// <summary>The LZ4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md). Writes independent blocks of 64 KB, which is all that Kafka's Java client reads.</summary>
internal static unsafe partial class Lz4Codec
{
    private const string Name = "liblz4.so.1";
    private const uint ApiVersion = 100;
    private const int StepBytes = 64 << 10;

    /// <summary>A magic number and the smallest descriptor, or an end mark: what a header needs to be complete.</summary>
    private const int FrameBytesMin = 11;

    public static readonly NativeCodecLibrary Library = new(Name, "liblz4-1");

    private static readonly NativeContextPool Contexts = new(
        static () => IsError(CreateDecompressionContext(out nint context, ApiVersion)) == 0 ? context : 0,
        static context => _ = FreeDecompressionContext(context));

    public static void Decompress(ReadOnlySpan<byte> source, int sizeMax, IBufferWriter<byte> output)
    {
        Library.Require();
        if (source.Length < FrameBytesMin)
        {
            throw new CompressedDataException("The lz4 data is cut short.");
        }
        nint context = Contexts.Take();
        bool isWhole = false;
        try
        {
            int size = 0;
            nuint hint;
            do
            {
                // One byte more than may come, to see whether it does.
                int wanted = (int)Math.Min(StepBytes, (long)sizeMax - size + 1);
                Span<byte> target = output.GetSpan(wanted)[..wanted];
                nuint written = (nuint)wanted;
                nuint read = (nuint)source.Length;
                hint = Decompress(context, target, ref written, source, ref read, 0);
                if (IsError(hint) != 0)
                {
                    throw new CompressedDataException($"The lz4 data is damaged: {Marshal.PtrToStringUTF8(ErrorName(hint))}");
                }
                source = source[(int)read..];
                size += (int)written;
                if (size > sizeMax)
                {
                    throw DecompressionLimitException.Over(sizeMax);
                }
                output.Advance((int)written);
                if (source.IsEmpty && hint != 0 && (int)written < wanted)
                {
                    throw new CompressedDataException("The lz4 data is cut short.");
                }
            }
            while (!source.IsEmpty || hint != 0);
            isWhole = true;
        }
        finally
        {
            // Resetting forgets the stage, but not in all versions of the library how much of a broken frame was to come.
            if (isWhole)
            {
                Contexts.Return(context);
            }
            else
            {
                Contexts.Discard(context);
            }
        }
    }

    public static void Compress(int? level, ReadOnlySpan<byte> source, IBufferWriter<byte> output)
    {
        Library.Require();
        Preferences preferences = new() { BlockSizeId = 4, BlockMode = 1, CompressionLevel = level ?? 0 };
        int bound = checked((int)CompressFrameBound((nuint)source.Length, preferences));
        nuint written = CompressFrame(output.GetSpan(bound), (nuint)bound, source, (nuint)source.Length, preferences);
        if (IsError(written) != 0)
        {
            throw new InvalidOperationException($"Lz4 could not compress: {Marshal.PtrToStringUTF8(ErrorName(written))}");
        }
        output.Advance((int)written);
    }

    [LibraryImport(Name, EntryPoint = "LZ4F_createDecompressionContext")]
    private static partial nuint CreateDecompressionContext(out nint context, uint version);

    [LibraryImport(Name, EntryPoint = "LZ4F_freeDecompressionContext")]
    private static partial nuint FreeDecompressionContext(nint context);

    [LibraryImport(Name, EntryPoint = "LZ4F_decompress")]
    private static partial nuint Decompress(nint context, Span<byte> target, ref nuint targetSize, ReadOnlySpan<byte> source, ref nuint sourceSize, nint options);

    [LibraryImport(Name, EntryPoint = "LZ4F_compressFrameBound")]
    private static partial nuint CompressFrameBound(nuint sourceSize, in Preferences preferences);

    [LibraryImport(Name, EntryPoint = "LZ4F_compressFrame")]
    private static partial nuint CompressFrame(Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint sourceSize, in Preferences preferences);

    [LibraryImport(Name, EntryPoint = "LZ4F_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Name, EntryPoint = "LZ4F_getErrorName")]
    private static partial nint ErrorName(nuint code);

    /// <summary>LZ4F_preferences_t of lz4frame.h; zeros are defaults.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Preferences
    {
        public int BlockSizeId;
        public int BlockMode;
        public int ContentChecksum;
        public int FrameType;
        public ulong ContentSize;
        public uint DictionaryId;
        public int BlockChecksum;
        public int CompressionLevel;
        public uint AutoFlush;
        public uint FavorDecompressionSpeed;
        public fixed uint Reserved[3];
    }
}
