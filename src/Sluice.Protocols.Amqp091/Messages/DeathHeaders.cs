using System.Globalization;
using System.Text;
using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>The dead-letter history as RabbitMQ's headers: x-death (newest first) and x-first-death-exchange, -queue, -reason.</summary>
internal static class DeathHeaders
{
    public static ReadOnlySpan<byte> Death => "x-death"u8;

    /// <summary>
    /// Appends the headers. Lines that the publisher sent along (a message got, and published again) follow ours, or are counted on if they are of
    /// the same queue and reason, as in RabbitMQ.
    /// </summary>
    /// <param name="history">Not empty.</param>
    /// <param name="own">Entries of the publisher's headers.</param>
    /// <param name="to">Where the headers are appended.</param>
    public static void Write(DeathHistory history, ReadOnlySpan<byte> own, TableBuilder to)
    {
        IReadOnlyList<Death> deaths = history.Deaths;
        ReadOnlySpan<byte> earlier = FindEarlier(own, out bool firstIsThere);
        to.BeginArray(Death);
        foreach (Death death in deaths)
        {
            WriteLine(death, death.Count + EarlierCount(earlier, death), to);
        }

        var reader = new FieldArrayReader(earlier);
        while (reader.TryRead(out FieldValue line))
        {
            if (line.Type == FieldType.Table && !IsContinued(line.Bytes, deaths))
            {
                to.Item(line);
            }
        }

        to.End();
        if (!firstIsThere && history.First is { } first)
        {
            to.Add("x-first-death-exchange"u8, first.Exchange);
            to.Add("x-first-death-queue"u8, first.Queue);
            to.Add("x-first-death-reason"u8, Word(first.Reason));
        }
    }

    private static string Word(DeathReason reason) => reason switch
    {
        DeathReason.Rejected => "rejected",
        DeathReason.Expired => "expired",
        DeathReason.MaxLength => "maxlen",
        _ => "delivery_limit",
    };

    private static void WriteLine(Death death, long count, TableBuilder to)
    {
        to.BeginItem(FieldType.Table);
        to.Add("count"u8, count);
        to.Add("reason"u8, Word(death.Reason));
        to.Add("queue"u8, death.Queue);
        to.AddTimestamp("time"u8, (ulong)(death.TimeMs / 1000));
        to.Add("exchange"u8, death.Exchange);
        to.BeginArray("routing-keys"u8);
        foreach (string key in death.RoutingKeys)
        {
            to.Item(key);
        }

        to.End();
        if (death.OriginalTimeToLiveMs >= 0)
        {
            to.Add("original-expiration"u8, death.OriginalTimeToLiveMs.ToString(CultureInfo.InvariantCulture));
        }

        to.End();
    }

    private static ReadOnlySpan<byte> FindEarlier(ReadOnlySpan<byte> own, out bool firstIsThere)
    {
        ReadOnlySpan<byte> earlier = default;
        firstIsThere = false;
        var reader = new FieldTableReader(own);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            if (name.SequenceEqual(Death) && value.Type == FieldType.Array)
            {
                earlier = value.Bytes;
            }

            firstIsThere |= name.SequenceEqual("x-first-death-queue"u8);
        }

        return earlier;
    }

    private static long EarlierCount(ReadOnlySpan<byte> earlier, Death death)
    {
        var reader = new FieldArrayReader(earlier);
        while (reader.TryRead(out FieldValue line))
        {
            if (line.Type == FieldType.Table && IsSame(line.Bytes, death, out long count))
            {
                return count;
            }
        }

        return 0;
    }

    private static bool IsContinued(ReadOnlySpan<byte> line, IReadOnlyList<Death> deaths)
    {
        foreach (Death death in deaths)
        {
            if (IsSame(line, death, out _))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsSame(ReadOnlySpan<byte> line, Death death, out long count)
    {
        count = 0;
        bool sameQueue = false;
        bool sameReason = false;
        var reader = new FieldTableReader(line);
        while (reader.TryRead(out ReadOnlySpan<byte> name, out FieldValue value))
        {
            if (name.SequenceEqual("queue"u8))
            {
                sameQueue = value.Type == FieldType.LongString && Encoding.UTF8.GetString(value.Bytes) == death.Queue;
            }
            else if (name.SequenceEqual("reason"u8))
            {
                sameReason = value.Type == FieldType.LongString && Encoding.UTF8.GetString(value.Bytes) == Word(death.Reason);
            }
            else if (name.SequenceEqual("count"u8))
            {
                value.TryGetInteger(out count);
            }
        }

        return sameQueue && sameReason;
    }
}
