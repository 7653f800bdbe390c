using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>The headers of a record as they are encoded: for each a key and a value, lengths as zigzag varints, -1 for a null value.</summary>
internal static class RecordHeaders
{
    /// <summary>Whether the record's headers are as many as it says and nothing follows them.</summary>
    public static bool AreValid(in RecordView record)
    {
        ReadOnlySpan<byte> rest = record.Headers;
        for (int i = 0; i < record.HeaderCount; i++)
        {
            if (!Skip(ref rest, isNullable: false) || !Skip(ref rest, isNullable: true))
            {
                return false;
            }
        }

        return rest.IsEmpty;
    }

    private static bool Skip(ref ReadOnlySpan<byte> rest, bool isNullable)
    {
        int at = 0;
        if (!Varint.TryRead(rest, ref at, out long length) || length > rest.Length - at || length < (isNullable ? -1 : 0))
        {
            return false;
        }

        rest = rest[(at + (int)Math.Max(0, length))..];
        return true;
    }
}
