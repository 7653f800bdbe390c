using Sluice.Base.Buffers;

namespace Sluice.Client.Producing;

/// <summary>A record's key and value as bytes, on their way into a batch. One is kept by the producer for whoever comes next.</summary>
internal sealed class Scratch(BufferPool pool) : IDisposable
{
    /// <summary>Room for a larger record is not kept.</summary>
    public const int KeptBytesMax = 1 << 20;

    public PooledBufferWriter Bytes { get; } = new(pool);

    public bool HasKey { get; set; }

    public int KeyLength { get; set; }

    public bool HasValue { get; set; }

    public IReadOnlyList<RecordHeader>? Headers { get; set; }

    public int HeadersBytes { get; set; }

    public ReadOnlySpan<byte> Key => Bytes.WrittenSpan[..KeyLength];

    public ReadOnlySpan<byte> Value => Bytes.WrittenSpan[KeyLength..];

    public void Dispose() => Bytes.Dispose();
}
