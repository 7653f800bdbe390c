using Sluice.Broker;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>
/// Holds a producing connection back while memory or disk run short: nothing more is read of it, which stops the client by TCP. The protocol has no way to tell it why.
/// </summary>
internal sealed class ProducerBlock(MessageBroker broker, TimeProvider clock)
{
    /// <summary>
    /// For no longer: by then clients have given the request up (their request.timeout.ms is 30 s) and send it again on another connection. This one would stay, as its end is not
    /// seen while nothing is read of it, and take up later what its client no longer waits for.
    /// </summary>
    public static readonly TimeSpan HoldMax = TimeSpan.FromSeconds(30);

    /// <summary>Completes when there is no reason to hold the connection back; false: there still is, and the request is not to be served any more.</summary>
    /// <exception cref="OperationCanceledException">The connection ends.</exception>
    public async Task<bool> WaitAsync(CancellationToken cancellation)
    {
        var lifted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        broker.BlockedChanged += OnChanged;
        try
        {
            // Looked at after being seen to wait, so that a release in between is not missed.
            if (broker.BlockedReason is not null)
            {
                await lifted.Task.WaitAsync(HoldMax, clock, cancellation).ConfigureAwait(false);
            }

            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            broker.BlockedChanged -= OnChanged;
        }

        void OnChanged(string? reason)
        {
            if (reason is null)
            {
                lifted.TrySetResult();
            }
        }
    }
}
