namespace Sluice.Client.Producing;

/// <summary>Who a producer is to the brokers: they drop what they have from it already.</summary>
/// <param name="ProducerId">-1 for none.</param>
/// <param name="Epoch">Counts the producers that had the id; -1 for none.</param>
internal readonly record struct ProducerIdentity(long ProducerId, short Epoch)
{
    public static readonly ProducerIdentity None = new(-1, -1);
}
