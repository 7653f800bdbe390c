using System.Buffers;
using System.Text;
using Sluice.Storage;

namespace Sluice.Broker.Messages;

/// <summary>
/// The binary form of a <see cref="DeathHistory"/>. Numbers are unsigned LEB128 varints, strings their UTF-8 length and bytes.
/// <code>
/// history: version (1 byte, 1) | count | index of the first event's line + 1, 0: none | count × line
/// line:    queue | reason (1 byte) | count | exchange | number of keys | keys | time in Unix ms | original TTL in ms + 1, 0: none
/// </code>
/// </summary>
internal static class DeathHistoryCodec
{
    private const byte Version = 1;

    public static void Encode(DeathHistory history, IBufferWriter<byte> output)
    {
        WriteByte(output, Version);
        WriteNumber(output, history.Deaths.Count);
        WriteNumber(output, IndexOfFirst(history) + 1);
        foreach (Death death in history.Deaths)
        {
            WriteText(output, death.Queue);
            WriteByte(output, (byte)death.Reason);
            WriteNumber(output, death.Count);
            WriteText(output, death.Exchange);
            WriteNumber(output, death.RoutingKeys.Count);
            foreach (string key in death.RoutingKeys)
            {
                WriteText(output, key);
            }

            WriteNumber(output, death.TimeMs);
            WriteNumber(output, death.OriginalTimeToLiveMs + 1);
        }
    }

    public static DeathHistory Decode(ReadOnlySpan<byte> encoded)
    {
        var reader = new Reader(encoded);
        byte version = reader.ReadByte();
        if (version != Version)
        {
            throw new StorageFormatException($"A dead-letter history is of version {version}; this program knows version {Version}. Start the program that wrote it, or a newer one.");
        }

        var deaths = new Death[reader.ReadCount(DeathHistory.DeathsMax)];
        int first = reader.ReadCount(deaths.Length) - 1;
        for (int i = 0; i < deaths.Length; i++)
        {
            string queue = reader.ReadText();
            var reason = (DeathReason)reader.ReadByte();
            long count = reader.ReadNumber();
            string exchange = reader.ReadText();
            var keys = new string[reader.ReadCount(reader.Remaining)];
            for (int k = 0; k < keys.Length; k++)
            {
                keys[k] = reader.ReadText();
            }

            deaths[i] = new Death(queue, reason, count, exchange, keys, reader.ReadNumber(), reader.ReadNumber() - 1);
        }

        if (reader.Remaining != 0)
        {
            throw Damaged();
        }

        return new DeathHistory(deaths, first < 0 ? null : deaths[first]);
    }

    private static int IndexOfFirst(DeathHistory history)
    {
        for (int i = 0; i < history.Deaths.Count; i++)
        {
            if (ReferenceEquals(history.Deaths[i], history.First))
            {
                return i;
            }
        }

        return -1;
    }

    private static void WriteByte(IBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }

    private static void WriteNumber(IBufferWriter<byte> output, long value)
    {
        Span<byte> span = output.GetSpan(10);
        int length = 0;
        ulong rest = (ulong)value;
        while (rest >= 0x80)
        {
            span[length++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        span[length++] = (byte)rest;
        output.Advance(length);
    }

    private static void WriteText(IBufferWriter<byte> output, string text)
    {
        int bytes = Encoding.UTF8.GetByteCount(text);
        WriteNumber(output, bytes);
        Encoding.UTF8.GetBytes(text, output.GetSpan(bytes));
        output.Advance(bytes);
    }

    private static StorageFormatException Damaged() => new("A dead-letter history stored with a message cannot be read although its checksum is right; it was written by a faulty program.");

    private ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public readonly int Remaining => _rest.Length;

        public byte ReadByte()
        {
            if (_rest.IsEmpty)
            {
                throw Damaged();
            }

            byte value = _rest[0];
            _rest = _rest[1..];
            return value;
        }

        public long ReadNumber()
        {
            ulong value = 0;
            for (int shift = 0; shift < 64; shift += 7)
            {
                byte next = ReadByte();
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80)
                {
                    return (long)value;
                }
            }

            throw Damaged();
        }

        public int ReadCount(int max) => Check(ReadNumber(), max);

        public string ReadText()
        {
            long length = ReadNumber();
            int bytes = Check(length, _rest.Length);
            string text = Encoding.UTF8.GetString(_rest[..bytes]);
            _rest = _rest[bytes..];
            return text;
        }

        private static int Check(long count, int max) => count >= 0 && count <= max ? (int)count : throw Damaged();
    }
}
