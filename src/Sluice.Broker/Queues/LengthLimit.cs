using Sluice.Broker.Definitions;
using Sluice.Broker.Publishing;

namespace Sluice.Broker.Queues;

/// <summary>Arithmetic of x-max-length and x-max-length-bytes.</summary>
internal static class LengthLimit
{
    public static bool IsOver(QueueSettings settings, long ready, long readyBytes) =>
        (settings.MaxLength >= 0 && ready > settings.MaxLength)
        || (settings.MaxLengthBytes >= 0 && readyBytes > settings.MaxLengthBytes && ready > 0);

    /// <summary>How many of a batch, one after the other from the given one on, fit below the limits.</summary>
    public static int Admit(QueueSettings settings, long ready, long readyBytes, IReadOnlyList<Stage.Entry> entries, int from)
    {
        int admitted = from;
        while (admitted < entries.Count)
        {
            if ((settings.MaxLength >= 0 && ready >= settings.MaxLength)
                || (settings.MaxLengthBytes >= 0 && readyBytes + entries[admitted].BodyLength > settings.MaxLengthBytes))
            {
                break;
            }

            ready++;
            readyBytes += entries[admitted].BodyLength;
            admitted++;
        }

        return admitted - from;
    }
}
