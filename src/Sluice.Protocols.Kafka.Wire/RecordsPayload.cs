namespace Sluice.Protocols.Kafka.Wire;

/// <summary>
/// The value of a <c>records</c> field: null, bytes in memory, or a range of something that only the output side knows (a file, as a rule),
/// which is sent without passing through managed memory. What is read from a frame is always memory, borrowed from the frame.
/// </summary>
public readonly struct RecordsPayload : IEquatable<RecordsPayload>
{
    private readonly bool _isSet;

    private RecordsPayload(ReadOnlyMemory<byte> memory, object? source, long position, int length)
    {
        _isSet = true;
        Memory = memory;
        Source = source;
        Position = position;
        Length = length;
    }

    /// <summary>No records, as opposed to null.</summary>
    public static RecordsPayload Empty => new(default, null, 0, 0);

    /// <summary>The field is null; so is the default value of this type.</summary>
    public bool IsNull => !_isSet;

    /// <summary>Bytes of the payload; 0 for null.</summary>
    public int Length { get; }

    /// <summary>The bytes when they are in memory; empty when <see cref="Source"/> has them.</summary>
    public ReadOnlyMemory<byte> Memory { get; }

    /// <summary>What has the bytes when they are not in memory; otherwise null.</summary>
    public object? Source { get; }

    /// <summary>Where in <see cref="Source"/> the bytes begin.</summary>
    public long Position { get; }

    public static implicit operator RecordsPayload(ReadOnlyMemory<byte> memory) => FromMemory(memory);

    public static implicit operator RecordsPayload(byte[]? bytes) => bytes is null ? default : FromMemory(bytes);

    public static bool operator ==(RecordsPayload left, RecordsPayload right) => left.Equals(right);

    public static bool operator !=(RecordsPayload left, RecordsPayload right) => !left.Equals(right);

    /// <summary>Bytes in memory, which must stay as they are until the message is sent.</summary>
    public static RecordsPayload FromMemory(ReadOnlyMemory<byte> memory) => new(memory, null, 0, memory.Length);

    /// <summary>Bytes that the output side takes from a source.</summary>
    /// <param name="source">Understood by the output side only.</param>
    /// <param name="position">Where in the source the bytes begin.</param>
    /// <param name="length">How many bytes there are.</param>
    public static RecordsPayload FromSource(object source, long position, int length)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new RecordsPayload(default, source, position, length);
    }

    /// <summary>The same place, not the same content.</summary>
    public bool Equals(RecordsPayload other) =>
        _isSet == other._isSet && Length == other.Length && Position == other.Position && ReferenceEquals(Source, other.Source) && Memory.Equals(other.Memory);

    public override bool Equals(object? obj) => obj is RecordsPayload other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(Length, Position, Memory);
}
