namespace Sluice.Client.Producing;

/// <summary>Where a transactional producer is.</summary>
internal enum TransactionState
{
    Uninitialized,
    Ready,
    Open,
    Committing,
    Aborting,
}
