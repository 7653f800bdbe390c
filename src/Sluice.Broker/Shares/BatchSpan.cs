using Sluice.Storage.Producers;

namespace Sluice.Broker.Shares;

/// <summary>A batch of the log.</summary>
/// <param name="First">Its first offset.</param>
/// <param name="Last">Its last offset.</param>
/// <param name="Position">Where it begins in what was read, in bytes.</param>
/// <param name="Size">In bytes.</param>
/// <param name="ProducerId">Of whose transaction it is a part; negative: of none.</param>
public readonly record struct BatchSpan(long First, long Last, long Position, int Size, long ProducerId)
{
    /// <summary>Whether it is a part of a transaction that was rolled back.</summary>
    public bool IsOneOf(IReadOnlyList<AbortedTransaction> aborted)
    {
        foreach (AbortedTransaction transaction in aborted)
        {
            if (transaction.ProducerId == ProducerId && First >= transaction.FirstOffset && Last < transaction.LastOffset)
            {
                return true;
            }
        }

        return false;
    }
}
