using Microsoft.Extensions.Logging;
using Sluice.Broker.Queues;

namespace Sluice.Broker.Hosts;

/// <summary>Deletes a queue for a reason of the broker's own, off the locks of whoever found the reason.</summary>
internal sealed class BackgroundDelete(VirtualHost host, HostQueues queues, StoredQueue queue, CloseConditions conditions) : IThreadPoolWorkItem
{
    public void Execute() => _ = RunAsync();

    private async Task RunAsync()
    {
        try
        {
            await queues.DeleteAsync(queue, conditions).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            host.Logger.LogError(e, "Queue '{Queue}' in virtual host '{Host}' was deleted, but the deletion could not be kept: it may be back after a restart", queue.Name, host.Name);
        }
    }
}
