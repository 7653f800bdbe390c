namespace Sluice.Broker;

/// <summary>What a binding leads to.</summary>
public enum DestinationKind : byte
{
    Queue = 1,
    Exchange = 2,
}
