using System.Text;
using Sluice.Base.Binary;

namespace Sluice.Client.Records;

/// <summary>Writes records as they lie in a batch (https://kafka.apache.org/documentation/#record).</summary>
internal static class RecordEncoder
{
    /// <summary>The bytes that a record takes at most, its headers included.</summary>
    public static int SizeMax(int keyBytes, int valueBytes, int headersBytes) => checked(1 + (6 * Varint.BytesMax) + keyBytes + valueBytes + headersBytes);

    /// <summary>The bytes of encoded headers, without their count.</summary>
    public static int HeadersSize(IReadOnlyList<RecordHeader>? headers)
    {
        int size = 0;
        for (int i = 0; i < (headers?.Count ?? 0); i++)
        {
            RecordHeader header = headers![i];
            int key = Encoding.UTF8.GetByteCount(header.Key);
            int value = header.Value?.Length ?? 0;
            size = checked(size + Varint.Size(key) + key + Varint.Size(header.Value is null ? -1 : value) + value);
        }

        return size;
    }

    /// <summary>The exact size of a record.</summary>
    public static int Size(in RecordFields fields, out int bodyBytes)
    {
        bodyBytes = checked(1 + Varint.Size(fields.TimestampDelta) + Varint.Size(fields.OffsetDelta)
            + Varint.Size(fields.HasKey ? fields.Key.Length : -1) + fields.Key.Length
            + Varint.Size(fields.HasValue ? fields.Value.Length : -1) + fields.Value.Length
            + Varint.Size(fields.Headers?.Count ?? 0) + fields.HeadersBytes);
        return checked(bodyBytes + Varint.Size(bodyBytes));
    }

    /// <summary>Writes a record into exactly as many bytes as it takes.</summary>
    public static void Write(Span<byte> target, int bodyBytes, in RecordFields fields)
    {
        int at = Varint.Write(target, bodyBytes);
        target[at++] = 0;
        at += Varint.Write(target[at..], fields.TimestampDelta);
        at += Varint.Write(target[at..], fields.OffsetDelta);
        at += Varint.Write(target[at..], fields.HasKey ? fields.Key.Length : -1);
        fields.Key.CopyTo(target[at..]);
        at += fields.Key.Length;
        at += Varint.Write(target[at..], fields.HasValue ? fields.Value.Length : -1);
        fields.Value.CopyTo(target[at..]);
        at += fields.Value.Length;
        at += Varint.Write(target[at..], fields.Headers?.Count ?? 0);
        for (int i = 0; i < (fields.Headers?.Count ?? 0); i++)
        {
            RecordHeader header = fields.Headers![i];
            at += Varint.Write(target[at..], Encoding.UTF8.GetByteCount(header.Key));
            at += Encoding.UTF8.GetBytes(header.Key, target[at..]);
            at += Varint.Write(target[at..], header.Value?.Length ?? -1);
            if (header.Value is { } value)
            {
                value.Span.CopyTo(target[at..]);
                at += value.Length;
            }
        }
    }
}

/// <summary>What a record is made of. Null keys and values have no bytes.</summary>
internal readonly ref struct RecordFields
{
    public long TimestampDelta { get; init; }

    public int OffsetDelta { get; init; }

    public bool HasKey { get; init; }

    public ReadOnlySpan<byte> Key { get; init; }

    public bool HasValue { get; init; }

    public ReadOnlySpan<byte> Value { get; init; }

    public IReadOnlyList<RecordHeader>? Headers { get; init; }

    /// <summary>See <see cref="RecordEncoder.HeadersSize"/>.</summary>
    public int HeadersBytes { get; init; }
}
