using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Broker.Messages;

/// <summary>The headers of a Kafka client's record, to be routed by.</summary>
/// <param name="headers">As encoded in a record; see <see cref="RecordView.Headers"/>.</param>
/// <param name="count">How many.</param>
internal sealed class RecordHeaderTable(ReadOnlyMemory<byte> headers, int count) : IMessageHeaders
{
    public int Count => count;

    public bool TryGet(ReadOnlySpan<byte> name, out HeaderValue value) => TryFind(headers.Span, count, name, out value);

    /// <summary>The last header of the name, as Kafka's clients see it.</summary>
    public static bool TryFind(ReadOnlySpan<byte> headers, int count, ReadOnlySpan<byte> name, out HeaderValue value)
    {
        value = default;
        bool isFound = false;
        int at = 0;
        for (int i = 0; i < count && TryRead(headers, ref at, out ReadOnlySpan<byte> found, out HeaderValue next); i++)
        {
            if (found.SequenceEqual(name))
            {
                value = next;
                isFound = true;
            }
        }

        return isFound;
    }

    /// <summary>Reads the header at <paramref name="at"/> and moves past it; false if there is none that could be read.</summary>
    public static bool TryRead(ReadOnlySpan<byte> headers, scoped ref int at, out ReadOnlySpan<byte> name, out HeaderValue value)
    {
        name = default;
        value = default;
        if (!Varint.TryRead(headers, ref at, out long nameLength) || nameLength < 0 || nameLength > headers.Length - at)
        {
            return false;
        }

        name = headers.Slice(at, (int)nameLength);
        at += (int)nameLength;
        if (!Varint.TryRead(headers, ref at, out long valueLength) || valueLength > headers.Length - at)
        {
            return false;
        }

        value = valueLength < 0 ? new HeaderValue { Kind = HeaderKind.Null } : new HeaderValue { Kind = HeaderKind.Bytes, Bytes = headers.Slice(at, (int)valueLength) };
        at += (int)Math.Max(0, valueLength);
        return true;
    }
}
