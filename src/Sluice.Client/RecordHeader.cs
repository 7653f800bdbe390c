namespace Sluice.Client;

/// <summary>A header of a record.</summary>
/// <param name="Key">The name; several headers may have the same.</param>
/// <param name="Value">The value; null is not the same as empty.</param>
public readonly record struct RecordHeader(string Key, ReadOnlyMemory<byte>? Value);
