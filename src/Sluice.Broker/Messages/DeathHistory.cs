namespace Sluice.Broker.Messages;

/// <summary>Why a message was dead-lettered. Persisted: values never change.</summary>
public enum DeathReason : byte
{
    Rejected = 1,
    Expired = 2,
    MaxLength = 3,
    DeliveryLimit = 4,
}

/// <summary>One line of a message's dead-letter history: how often it left this queue for this reason.</summary>
/// <param name="Queue">Queue it left.</param>
/// <param name="Reason">Why.</param>
/// <param name="Count">How often it did.</param>
/// <param name="Exchange">Exchange it had been published to.</param>
/// <param name="RoutingKeys">Routing keys it had been published with (CC included).</param>
/// <param name="TimeMs">Unix ms of the first time.</param>
/// <param name="OriginalTimeToLiveMs">Its own TTL, which dead-lettering removes; -1: none.</param>
public sealed record Death(string Queue, DeathReason Reason, long Count, string Exchange, IReadOnlyList<string> RoutingKeys, long TimeMs, long OriginalTimeToLiveMs);

/// <summary>
/// A message's dead-letter history, newest event first; immutable. A queue and a reason that occur again raise their line's count and move it to
/// the front, while the line's other fields keep saying what was the first time (as RabbitMQ's x-death).
/// </summary>
public sealed class DeathHistory
{
    /// <summary>Lines kept; of a longer history the oldest go.</summary>
    public const int DeathsMax = 1024;

    internal DeathHistory(IReadOnlyList<Death> deaths, Death? first)
    {
        Deaths = deaths;
        First = first;
    }

    /// <summary>A message never dead-lettered.</summary>
    public static DeathHistory Empty { get; } = new([], null);

    /// <summary>Newest first.</summary>
    public IReadOnlyList<Death> Deaths { get; }

    /// <summary>The line of the very first event (x-first-death-…), wherever it stands in <see cref="Deaths"/>; null if there is none or it is no longer kept.</summary>
    public Death? First { get; }

    /// <summary>Reads what <see cref="Encode"/> wrote; empty for no bytes.</summary>
    /// <exception cref="Storage.StorageFormatException">Written by a newer version, or not a history.</exception>
    public static DeathHistory Decode(ReadOnlySpan<byte> encoded) => encoded.IsEmpty ? Empty : DeathHistoryCodec.Decode(encoded);

    /// <summary>Writes the compact form that is kept with the message; nothing for an empty history.</summary>
    public void Encode(System.Buffers.IBufferWriter<byte> output)
    {
        if (Deaths.Count > 0)
        {
            DeathHistoryCodec.Encode(this, output);
        }
    }

    /// <summary>This history with one more event, whose <see cref="Death.Count"/> is 1.</summary>
    public DeathHistory Add(Death death)
    {
        Death? known = Deaths.FirstOrDefault(candidate => candidate.Queue == death.Queue && candidate.Reason == death.Reason);
        Death front = known is null ? death : known with { Count = known.Count + 1 };
        IEnumerable<Death> others = Deaths.Where(candidate => !ReferenceEquals(candidate, known));
        Death[] deaths = [front, .. others.Take(DeathsMax - 1)];
        Death? first = Deaths.Count == 0 || (known is not null && ReferenceEquals(First, known)) ? front : First;
        return new DeathHistory(deaths, Array.IndexOf(deaths, first) < 0 ? null : first);
    }

    /// <summary>
    /// Whether a message with this history, the last event included, would circle without end if it went to <paramref name="queue"/>: it left that queue
    /// before, and since then, that time included, nobody rejected it. Such a message is dropped. A message just rejected never circles.
    /// </summary>
    public bool IsCycle(string queue)
    {
        foreach (Death death in Deaths)
        {
            if (death.Reason == DeathReason.Rejected)
            {
                return false;
            }

            if (death.Queue == queue)
            {
                return true;
            }
        }

        return false;
    }
}
