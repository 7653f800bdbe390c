namespace Sluice.Base.Compression;

/// <summary>How a Kafka record batch's records are compressed: bits 0 to 2 of its attributes (https://kafka.apache.org/documentation/#recordbatch). Persisted; values never change.</summary>
public enum CompressionType : byte
{
    None = 0,
    Gzip = 1,

    /// <summary>Raw blocks in the framing of snappy-java; bare blocks are read too.</summary>
    Snappy = 2,

    /// <summary>The LZ4 frame format.</summary>
    Lz4 = 3,
    Zstd = 4,
}
