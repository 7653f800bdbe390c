namespace Sluice.Base.Compression;

/// <summary>The bytes are not, or not wholly, what their compression type promises.</summary>
public sealed class CompressedDataException : Exception
{
    public CompressedDataException()
    {
    }

    public CompressedDataException(string message)
        : base(message)
    {
    }

    public CompressedDataException(string message, Exception inner)
        : base(message, inner)
    {
    }
}

/// <summary>The bytes would become larger than the limit given: a decompression bomb, or a limit set too low.</summary>
public sealed class DecompressionLimitException : Exception
{
    public DecompressionLimitException()
    {
    }

    public DecompressionLimitException(string message)
        : base(message)
    {
    }

    public DecompressionLimitException(string message, Exception inner)
        : base(message, inner)
    {
    }

    internal static DecompressionLimitException Over(long sizeMax) => new($"The data is larger than {sizeMax} bytes when decompressed.");
}

/// <summary>A compression library of the system is not installed; the message names it and its package.</summary>
public sealed class CompressionLibraryMissingException : Exception
{
    public CompressionLibraryMissingException()
    {
    }

    public CompressionLibraryMissingException(string message)
        : base(message)
    {
    }

    public CompressionLibraryMissingException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
