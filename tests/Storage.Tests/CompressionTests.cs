using Sluice.Base.Buffers;
using Sluice.Base.Compression;

namespace Sluice.Storage.Tests;

public sealed class CompressionTests
{
    private const int SizeMax = 1 << 20;

    private const string Text = "Sluice keeps logs; logs keep Sluice. Sluice keeps logs; logs keep Sluice.";

    public static TheoryData<CompressionType> Types => [CompressionType.Gzip, CompressionType.Snappy, CompressionType.Lz4, CompressionType.Zstd];

    /// <summary>The text as others compress it.</summary>
    public static TheoryData<CompressionType, string, string> Vectors => new()
    {
        { CompressionType.Gzip, "Python's gzip", "1F8B08000000000002030BCE29CD4C4E55C84E4D2D2856C8C94F2FB6069360018560B0A41E94C6AF080077A1B99F49000000" },
        { CompressionType.Gzip, "Kafka's Java client", "1F8B08000000000000FF0BCE29CD4C4E55C84E4D2D2856C8C94F2FB6069360018560B0A41E94C6AF080077A1B99F49000000" },
        { CompressionType.Snappy, "Kafka's Java client", "82534E41505059000000000100000001000000254944536C75696365206B65657073206C6F67733B050605110020091D002E0D080514622500" },
        { CompressionType.Snappy, "a bare block", "4944536C75696365206B65657073206C6F67733B050605110020091D002E0D080514622500" },
        { CompressionType.Lz4, "Kafka's Java client", "04224D186040822E000000F103536C75696365206B65657073206C6F67733B060001110012201D00132E08000114000F25000150756963652E00000000" },
        { CompressionType.Lz4, "lz4 -9, with sizes and checksums", "04224D186C404900000000000000FB29000000F103536C75696365206B65657073206C6F67733B060001110012201D002F2E2025000C50756963652E00000000AB06BD4C" },
        { CompressionType.Zstd, "Kafka's Java client", "28B52FFD00581C0100A0536C75696365206B65657073206C6F67733B202E050048095871071432CD66452861010000" },
        { CompressionType.Zstd, "zstd -19, with size and checksum", "28B52FFD2449150100A8536C75696365206B65657073206C6F67733B202E2004009122081432CD664528619E779AF3" },
    };

    [Fact]
    public void Persisted_numbers_never_change()
    {
        Assert.Equal([0, 1, 2, 3, 4], Enum.GetValues<CompressionType>().Select(static type => (int)type));
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void What_others_compressed_is_read_and_cut_short_it_is_not(CompressionType type, string by, string hex)
    {
        byte[] source = Convert.FromHexString(hex);
        Assert.Equal((by, Text), (by, System.Text.Encoding.UTF8.GetString(Decompress(type, source))));
        for (int length = 0; length < source.Length; length++)
        {
            // The framing of snappy-java has no end: a cut between blocks is a shorter stream.
            if (type == CompressionType.Snappy && length == 16 && source[0] == 0x82)
            {
                Assert.Empty(Decompress(type, source[..length]));
                continue;
            }
            Assert.Throws<CompressedDataException>(() => Decompress(type, source[..length]));
        }
    }

    [Fact]
    public void An_lz4_frame_cut_short_leaves_nothing_behind_for_the_next()
    {
        byte[] sized = Convert.FromHexString(Vectors.Single(static v => v.Data.Item2.StartsWith("lz4 -9", StringComparison.Ordinal)).Data.Item3);
        byte[] unsized = Convert.FromHexString(Vectors.First(static v => v.Data.Item1 == CompressionType.Lz4).Data.Item3);
        for (int length = 15; length < sized.Length; length++)
        {
            Assert.Throws<CompressedDataException>(() => Decompress(CompressionType.Lz4, sized[..length]));
            Assert.Equal(Text, System.Text.Encoding.UTF8.GetString(Decompress(CompressionType.Lz4, unsized)));
        }
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void What_is_damaged_ends_in_an_error_or_some_bytes(CompressionType type, string by, string hex)
    {
        Random random = new(by.Length);
        for (int round = 0; round < 2000; round++)
        {
            byte[] source = Convert.FromHexString(hex);
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                source[random.Next(source.Length)] ^= (byte)(1 << random.Next(8));
            }
            try
            {
                Assert.InRange(Decompress(type, source).Length, 0, SizeMax);
            }
            catch (Exception e) when (e is CompressedDataException or DecompressionLimitException)
            {
                // Refused, as it may be.
            }
        }
        Assert.Equal(Text.Length, Decompress(type, Convert.FromHexString(hex)).Length);
    }

    [Fact]
    public void A_gzip_checksum_is_checked()
    {
        byte[] source = Compress(CompressionType.Gzip, null, "Sluice"u8.ToArray());
        for (int at = source.Length - 8; at < source.Length; at++)
        {
            byte[] changed = [.. source];
            changed[at] ^= 1;
            Assert.Throws<CompressedDataException>(() => Decompress(CompressionType.Gzip, changed));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void What_is_compressed_round_trips(CompressionType type)
    {
        Random random = new(11);
        foreach (int size in (int[])[0, 1, 100, 32 << 10, (32 << 10) + 1, 300_000, SizeMax])
        {
            foreach (bool isRandom in (bool[])[true, false])
            {
                byte[] bytes = new byte[size];
                if (isRandom)
                {
                    random.NextBytes(bytes);
                }
                foreach (int? level in (int?[])[null, 1, 9])
                {
                    byte[] compressed = Compress(type, level, bytes);
                    Assert.True(bytes.AsSpan().SequenceEqual(Decompress(type, compressed)));
                    Assert.True(isRandom || compressed.Length <= 100 + (size / 15), $"{size} zeros became {compressed.Length} bytes.");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_limit_holds_to_the_byte_and_a_bomb_takes_no_memory(CompressionType type)
    {
        byte[] bomb = Compress(type, null, new byte[16 << 20]);
        BufferPool pool = new();
        using PooledBufferWriter output = new(pool);
        Assert.Throws<DecompressionLimitException>(() => Compressor.Decompress(type, bomb, SizeMax, output));
        Assert.InRange(pool.BytesOut, 0, 4 * SizeMax);

        byte[] small = Compress(type, null, new byte[5000]);
        Assert.Equal(5000, Decompress(type, small, 5000).Length);
        Assert.Throws<DecompressionLimitException>(() => Decompress(type, small, 4999));
        Assert.Throws<DecompressionLimitException>(() => Decompress(type, small, 0));
        Assert.Throws<DecompressionLimitException>(() => Decompress(CompressionType.None, new byte[5], 4));
    }

    [Fact]
    public void A_snappy_block_that_claims_more_than_it_can_hold_takes_no_memory()
    {
        // A varint of 900,000, and nothing behind it.
        byte[] block = [0xA0, 0xF7, 0x36, 0];
        BufferPool pool = new();
        using PooledBufferWriter output = new(pool);
        Assert.Throws<CompressedDataException>(() => Compressor.Decompress(CompressionType.Snappy, block, SizeMax, output));
        Assert.Equal(0, pool.BytesOut);
    }

    [Fact]
    public void Snappy_streams_that_follow_one_another_are_one()
    {
        byte[] stream = Compress(CompressionType.Snappy, null, "ab"u8.ToArray());
        Assert.Equal("abab"u8.ToArray(), Decompress(CompressionType.Snappy, [.. stream, .. stream]));
    }

    [Fact]
    public void A_zstd_frame_that_asks_for_a_huge_window_is_refused()
    {
        // Descriptor: no checksum, no size; window 2^31.
        byte[] frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00];
        Assert.Throws<CompressedDataException>(() => Decompress(CompressionType.Zstd, frame));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Threads_do_not_disturb_one_another(CompressionType type)
    {
        byte[] first = Compress(type, null, [.. Enumerable.Repeat((byte)1, 200_000)]);
        Parallel.For(0, 64, i =>
        {
            byte[] own = [.. Enumerable.Repeat((byte)i, 1000 * i)];
            Assert.True(own.AsSpan().SequenceEqual(Decompress(type, Compress(type, null, own))));
            Assert.Throws<CompressedDataException>(() => Decompress(type, first[..(first.Length - 1)]));
        });
    }

    [Fact]
    public void A_missing_library_is_named_with_its_package()
    {
        NativeCodecLibrary missing = new("libnowhere.so.7", "libnowhere7");
        Assert.False(missing.IsAvailable);
        CompressionLibraryMissingException error = Assert.Throws<CompressionLibraryMissingException>(missing.Require);
        Assert.Contains("libnowhere.so.7", error.Message, StringComparison.Ordinal);
        Assert.Contains("libnowhere7", error.Message, StringComparison.Ordinal);
        Assert.All(Enum.GetValues<CompressionType>(), static type => Assert.True(Compressor.IsAvailable(type)));
        Assert.False(Compressor.IsAvailable((CompressionType)5));
    }

    internal static byte[] Compress(CompressionType type, int? level, byte[] bytes)
    {
        BufferPool pool = new();
        using PooledBufferWriter output = new(pool);
        Compressor.Compress(type, level, bytes, output);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Decompress(CompressionType type, byte[] source, int sizeMax = SizeMax)
    {
        BufferPool pool = new();
        using PooledBufferWriter output = new(pool);
        Compressor.Decompress(type, source, sizeMax, output);
        return output.WrittenSpan.ToArray();
    }
}
