using System.Buffers;

namespace Sluice.Client.Serialization;

/// <summary>Turns keys or values into bytes. Must be thread-safe.</summary>
public interface ISerializer<in T>
{
    /// <summary>Appends the bytes of a value; false, with nothing appended, makes the record's field null.</summary>
    bool TrySerialize(T value, IBufferWriter<byte> output);
}

/// <summary>Turns bytes into keys or values.</summary>
public interface IDeserializer<out T>
{
    /// <summary>What the bytes stand for. They are borrowed: they are gone after the call.</summary>
    /// <param name="bytes">The field's bytes; empty for null.</param>
    /// <param name="isNull">The record's field is null.</param>
    T Deserialize(ReadOnlySpan<byte> bytes, bool isNull);
}
