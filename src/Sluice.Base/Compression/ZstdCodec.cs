using System.Buffers;
using System.Runtime.InteropServices;

namespace Sluice.Base.Compression;

/// <summary>Zstandard frames (RFC 8878).</summary>
internal static partial class ZstdCodec
{
    private const string Name = "libzstd.so.1";
    private const int StepBytes = 128 << 10;
    private const int LevelDefault = 3;

    /// <summary>A context that has taken more for a large window is not kept.</summary>
    private const int KeptContextBytesMax = 4 << 20;

    public static readonly NativeCodecLibrary Library = new(Name, "libzstd1");

    private static readonly NativeContextPool Decompressors = new(CreateDecompressor, static context => _ = FreeDecompressor(context));

    private static readonly NativeContextPool Compressors = new(CreateCompressor, static context => _ = FreeCompressor(context));

    public static unsafe void Decompress(ReadOnlySpan<byte> source, int sizeMax, IBufferWriter<byte> output)
    {
        Library.Require();
        nint context = Decompressors.Take();
        try
        {
            fixed (byte* start = source)
            {
                Piece input = new() { Bytes = start, Size = (nuint)source.Length };
                int size = 0;
                nuint hint = 1;
                while (hint != 0 || input.Position < input.Size)
                {
                    // One byte more than may come, to see whether it does.
                    int wanted = (int)Math.Min(StepBytes, (long)sizeMax - size + 1);
                    Piece target = new() { Size = (nuint)wanted };
                    fixed (byte* into = output.GetSpan(wanted))
                    {
                        target.Bytes = into;
                        hint = DecompressStream(context, ref target, ref input);
                    }
                    if (IsError(hint) != 0)
                    {
                        throw new CompressedDataException($"The zstd data is damaged: {Marshal.PtrToStringUTF8(ErrorName(hint))}");
                    }
                    size += (int)target.Position;
                    if (size > sizeMax)
                    {
                        throw DecompressionLimitException.Over(sizeMax);
                    }
                    output.Advance((int)target.Position);
                    if (hint != 0 && input.Position == input.Size && target.Position < target.Size)
                    {
                        throw new CompressedDataException("The zstd data is cut short.");
                    }
                }
            }
        }
        finally
        {
            const int SessionOnly = 1;
            _ = ResetDecompressor(context, SessionOnly);
            if (SizeOfDecompressor(context) > KeptContextBytesMax)
            {
                Decompressors.Discard(context);
            }
            else
            {
                Decompressors.Return(context);
            }
        }
    }

    public static void Compress(int? level, ReadOnlySpan<byte> source, IBufferWriter<byte> output)
    {
        Library.Require();
        nint context = Compressors.Take();
        try
        {
            int bound = checked((int)CompressBound((nuint)source.Length));
            nuint written = Compress(context, output.GetSpan(bound), (nuint)bound, source, (nuint)source.Length, level ?? LevelDefault);
            if (IsError(written) != 0)
            {
                throw new InvalidOperationException($"Zstd could not compress: {Marshal.PtrToStringUTF8(ErrorName(written))}");
            }
            output.Advance((int)written);
        }
        finally
        {
            if (SizeOfCompressor(context) > KeptContextBytesMax)
            {
                Compressors.Discard(context);
            }
            else
            {
                Compressors.Return(context);
            }
        }
    }

    [LibraryImport(Name, EntryPoint = "ZSTD_createDCtx")]
    private static partial nint CreateDecompressor();

    [LibraryImport(Name, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeDecompressor(nint context);

    [LibraryImport(Name, EntryPoint = "ZSTD_sizeof_DCtx")]
    private static partial nuint SizeOfDecompressor(nint context);

    [LibraryImport(Name, EntryPoint = "ZSTD_DCtx_reset")]
    private static partial nuint ResetDecompressor(nint context, int what);

    [LibraryImport(Name, EntryPoint = "ZSTD_decompressStream")]
    private static partial nuint DecompressStream(nint context, ref Piece output, ref Piece input);

    [LibraryImport(Name, EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateCompressor();

    [LibraryImport(Name, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeCompressor(nint context);

    [LibraryImport(Name, EntryPoint = "ZSTD_sizeof_CCtx")]
    private static partial nuint SizeOfCompressor(nint context);

    [LibraryImport(Name, EntryPoint = "ZSTD_compressCCtx")]
    private static partial nuint Compress(nint context, Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint sourceSize, int level);

    [LibraryImport(Name, EntryPoint = "ZSTD_compressBound")]
    private static partial nuint CompressBound(nuint sourceSize);

    [LibraryImport(Name, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Name, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ErrorName(nuint code);

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer of zstd.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Piece
    {
        public byte* Bytes;
        public nuint Size;
        public nuint Position;
    }
}
