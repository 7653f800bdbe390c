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
