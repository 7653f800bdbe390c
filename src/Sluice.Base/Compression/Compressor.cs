using System.Buffers;

namespace Sluice.Base.Compression;

/// <summary>
/// The compression types of Kafka's record batches. Gzip is the runtime's own; the others are the system's libraries libsnappy, liblz4 and
/// libzstd, loaded when they are first needed. Thread-safe; nothing is allocated per call once warm, but for gzip's streams.
/// </summary>
public static class Compressor
{
    /// <summary>Whether this type can be used here: its library is installed.</summary>
    public static bool IsAvailable(CompressionType type) => type switch
    {
        CompressionType.None or CompressionType.Gzip => true,
        CompressionType.Snappy => SnappyCodec.Library.IsAvailable,
        CompressionType.Lz4 => Lz4Codec.Library.IsAvailable,
        CompressionType.Zstd => ZstdCodec.Library.IsAvailable,
        _ => false,
    };

    /// <summary>Appends the decompressed bytes to <paramref name="output"/>; what it holds after an exception is arbitrary.</summary>
    /// <param name="type">How <paramref name="source"/> is compressed.</param>
    /// <param name="source">All of the compressed data.</param>
    /// <param name="sizeMax">The most bytes that may come out; never more than this, and a little for the codec, is allocated.</param>
    /// <param name="output">Taken to as it goes.</param>
    /// <exception cref="CompressedDataException">The data is damaged or cut short.</exception>
    /// <exception cref="DecompressionLimitException">More than <paramref name="sizeMax"/> bytes would come out.</exception>
    /// <exception cref="CompressionLibraryMissingException">The type's library is not installed.</exception>
    public static void Decompress(CompressionType type, ReadOnlySpan<byte> source, int sizeMax, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfNegative(sizeMax);
        switch (type)
        {
            case CompressionType.None:
                if (source.Length > sizeMax)
                {
                    throw DecompressionLimitException.Over(sizeMax);
                }
                output.Write(source);
                break;
            case CompressionType.Gzip:
                GzipCodec.Decompress(source, sizeMax, output);
                break;
            case CompressionType.Snappy:
                SnappyCodec.Decompress(source, sizeMax, output);
                break;
            case CompressionType.Lz4:
                Lz4Codec.Decompress(source, sizeMax, output);
                break;
            case CompressionType.Zstd:
                ZstdCodec.Decompress(source, sizeMax, output);
                break;
            default:
                throw Unknown(type);
        }
    }

    /// <summary>Appends the compressed bytes to <paramref name="output"/>.</summary>
    /// <param name="type">How to compress.</param>
    /// <param name="level">The codec's own level; null: its default. Snappy has none.</param>
    /// <param name="source">What to compress.</param>
    /// <param name="output">Taken to as it goes.</param>
    /// <exception cref="CompressionLibraryMissingException">The type's library is not installed.</exception>
    public static void Compress(CompressionType type, int? level, ReadOnlySpan<byte> source, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        switch (type)
        {
            case CompressionType.None:
                output.Write(source);
                break;
            case CompressionType.Gzip:
                GzipCodec.Compress(level, source, output);
                break;
            case CompressionType.Snappy:
                SnappyCodec.Compress(source, output);
                break;
            case CompressionType.Lz4:
                Lz4Codec.Compress(level, source, output);
                break;
            case CompressionType.Zstd:
                ZstdCodec.Compress(level, source, output);
                break;
            default:
                throw Unknown(type);
        }
    }

    private static ArgumentOutOfRangeException Unknown(CompressionType type) => new(nameof(type), type, "No such compression type.");
}
