using Sluice.Client;

namespace Sluice.Commands.Client;

/// <summary>Says on standard error what fails and is tried again, the same once: the client tells of each attempt.</summary>
internal sealed class TroubleLog(TextWriter to)
{
    private const int TextsMax = 100;

    private readonly Lock _sync = new();
    private readonly HashSet<string> _told = [];

    /// <summary>Any thread.</summary>
    public void Tell(KafkaClientException error)
    {
        lock (_sync)
        {
            if (_told.Count < TextsMax && _told.Add(error.Message))
            {
                to.WriteLine($"sluice: {error.Message.TrimEnd('.')}.{(error.IsRetriable ? " Trying again." : "")}");
            }
        }
    }
}
