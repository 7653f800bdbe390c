namespace Sluice.Client.Producing;

/// <summary>Who is told about a record.</summary>
internal readonly record struct Delivery(IDeliveryObserver? Observer, long Token, long TimestampMs);
