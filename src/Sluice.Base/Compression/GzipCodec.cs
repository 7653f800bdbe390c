using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace Sluice.Base.Compression;

/// <summary>
/// Gzip (RFC 1952) by the runtime's own streams, one member. The stream takes data whose trailer is cut off for whole, and writes nothing at all
/// for no data, so both are seen to here.
/// </summary>
internal static class GzipCodec
{
    /// <summary>Header, an empty deflate block, trailer.</summary>
    private const int BytesMin = 10 + 2 + 8;

    private const int StepBytes = 16 << 10;

    private static ReadOnlySpan<byte> Empty => [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    public static unsafe void Decompress(ReadOnlySpan<byte> source, int sizeMax, IBufferWriter<byte> output)
    {
        if (source.Length < BytesMin)
        {
            throw new CompressedDataException("The gzip data is cut short.");
        }
        fixed (byte* start = source)
        {
            using UnmanagedMemoryStream compressed = new(start, source.Length);
            using GZipStream gzip = new(compressed, CompressionMode.Decompress);
            int size = 0;
            try
            {
                while (true)
                {
                    // One byte more than may come, to see whether it does.
                    int wanted = (int)Math.Min(StepBytes, (long)sizeMax - size + 1);
                    int read = gzip.Read(output.GetSpan(wanted)[..wanted]);
                    if (read == 0)
                    {
                        break;
                    }
                    size += read;
                    if (size > sizeMax)
                    {
                        throw DecompressionLimitException.Over(sizeMax);
                    }
                    output.Advance(read);
                }
                if (BinaryPrimitives.ReadInt32LittleEndian(source[^4..]) != size)
                {
                    throw new CompressedDataException("The gzip data is cut short, or something follows it.");
                }
            }
            catch (InvalidDataException e)
            {
                throw new CompressedDataException("The gzip data is damaged or cut short.", e);
            }
        }
    }

    public static void Compress(int? level, ReadOnlySpan<byte> source, IBufferWriter<byte> output)
    {
        if (source.IsEmpty)
        {
            output.Write(Empty);
            return;
        }
        using BufferWriterStream target = new(output);
        using GZipStream gzip = level is { } given
            ? new GZipStream(target, new ZLibCompressionOptions { CompressionLevel = given })
            : new GZipStream(target, CompressionLevel.Optimal);
        gzip.Write(source);
    }

    /// <summary>A stream that writes to a buffer writer.</summary>
    private sealed class BufferWriterStream(IBufferWriter<byte> output) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer) => output.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
