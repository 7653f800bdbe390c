using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Sluice.Client.Serialization;

/// <summary>A key or value that is not looked at.</summary>
public readonly record struct Ignored;

/// <summary>The serializers and deserializers that come with the client.</summary>
public static class Serdes
{
    /// <summary>Text in UTF-8; null is null.</summary>
    public static Utf8Serde Utf8 { get; } = new();

    /// <summary>Bytes as they are; null is null.</summary>
    public static BytesSerde Bytes { get; } = new();

    /// <summary>Bytes as they are, never null; for sending without an array.</summary>
    public static MemorySerde Memory { get; } = new();

    /// <summary>Whole numbers of 64 bits, big-endian as Kafka's LongSerializer has them; null is null.</summary>
    public static Int64Serde Int64 { get; } = new();

    /// <summary>Always null when sent; not looked at when received.</summary>
    public static IgnoredSerde Ignored { get; } = new();

    /// <exception cref="ArgumentException">There is none for the type: one must be given.</exception>
    internal static ISerializer<T> SerializerFor<T>() => Find<T>() as ISerializer<T> ?? throw new ArgumentException($"There is no serializer for {typeof(T)}: pass one.");

    /// <inheritdoc cref="SerializerFor"/>
    internal static IDeserializer<T> DeserializerFor<T>() => Find<T>() as IDeserializer<T> ?? throw new ArgumentException($"There is no deserializer for {typeof(T)}: pass one.");

    private static object? Find<T>() =>
        typeof(T) == typeof(string) ? Utf8
        : typeof(T) == typeof(byte[]) ? Bytes
        : typeof(T) == typeof(ReadOnlyMemory<byte>) ? Memory
        : typeof(T) == typeof(long?) || typeof(T) == typeof(long) ? Int64
        : typeof(T) == typeof(Ignored) ? Ignored
        : null;
}

/// <inheritdoc cref="Serdes.Utf8"/>
public sealed class Utf8Serde : ISerializer<string?>, IDeserializer<string?>
{
    public bool TrySerialize(string? value, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (value is null)
        {
            return false;
        }

        if (value.Length > 0)
        {
            Encoding.UTF8.GetBytes(value, output);
        }

        return true;
    }

    public string? Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => isNull ? null : Encoding.UTF8.GetString(bytes);
}

/// <inheritdoc cref="Serdes.Bytes"/>
public sealed class BytesSerde : ISerializer<byte[]?>, IDeserializer<byte[]?>
{
    public bool TrySerialize(byte[]? value, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (value is null)
        {
            return false;
        }

        output.Write(value);
        return true;
    }

    public byte[]? Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => isNull ? null : bytes.ToArray();
}

/// <inheritdoc cref="Serdes.Memory"/>
public sealed class MemorySerde : ISerializer<ReadOnlyMemory<byte>>, IDeserializer<ReadOnlyMemory<byte>>
{
    public bool TrySerialize(ReadOnlyMemory<byte> value, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        output.Write(value.Span);
        return true;
    }

    public ReadOnlyMemory<byte> Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => bytes.ToArray();
}

/// <inheritdoc cref="Serdes.Int64"/>
public sealed class Int64Serde : ISerializer<long>, ISerializer<long?>, IDeserializer<long>, IDeserializer<long?>
{
    public bool TrySerialize(long value, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        BinaryPrimitives.WriteInt64BigEndian(output.GetSpan(sizeof(long)), value);
        output.Advance(sizeof(long));
        return true;
    }

    public bool TrySerialize(long? value, IBufferWriter<byte> output) => value is { } number && TrySerialize(number, output);

    /// <exception cref="FormatException">Not 8 bytes.</exception>
    public long Deserialize(ReadOnlySpan<byte> bytes, bool isNull) =>
        bytes.Length == sizeof(long) ? BinaryPrimitives.ReadInt64BigEndian(bytes) : throw new FormatException($"A number of 64 bits has 8 bytes, here are {(isNull ? "none" : bytes.Length)}.");

    long? IDeserializer<long?>.Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => isNull ? null : Deserialize(bytes, isNull);
}

/// <inheritdoc cref="Serdes.Ignored"/>
public sealed class IgnoredSerde : ISerializer<Ignored>, IDeserializer<Ignored>
{
    public bool TrySerialize(Ignored value, IBufferWriter<byte> output) => false;

    public Ignored Deserialize(ReadOnlySpan<byte> bytes, bool isNull) => default;
}
