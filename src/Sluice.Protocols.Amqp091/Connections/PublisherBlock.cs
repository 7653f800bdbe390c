using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>
/// Holds a publishing connection back while memory or disk run short: the receive loop waits here and reads nothing, which stops the client by TCP;
/// clients that know connection.blocked are told. <see cref="Release"/> is called from other threads.
/// </summary>
internal sealed class PublisherBlock(Amqp091Connection connection)
{
    private volatile TaskCompletionSource? _waiting;

    /// <summary>Lets the receive loop look again whether it may go on.</summary>
    public void Release() => _waiting?.TrySetResult();

    /// <summary>Completes when there is no reason to hold the connection back, or when it is to be closed.</summary>
    public async ValueTask WaitAsync()
    {
        bool told = false;
        while (connection.Server.Broker.BlockedReason is { } reason && !connection.IsCloseRequested)
        {
            connection.State = ConnectionState.Blocked;
            if (connection.Capabilities.ConnectionBlocked && !told)
            {
                told = true;
                connection.Send(0, new ConnectionBlocked { Reason = Amqp091Errors.ReplyText(reason) });
                connection.FlushSoon();
            }

            await WaitOnceAsync().ConfigureAwait(false);
        }

        if (connection.State != ConnectionState.Blocked)
        {
            return;
        }

        connection.State = ConnectionState.Running;
        if (told)
        {
            connection.Send(0, new ConnectionUnblocked());
            connection.FlushSoon();
        }
    }

    private async Task WaitOnceAsync()
    {
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting = waiting;
        try
        {
            // Looked at again after being seen to wait, so that a release in between is not missed.
            if (connection.Server.Broker.BlockedReason is not null && !connection.IsCloseRequested)
            {
                await waiting.Task.WaitAsync(connection.Client.Closed).ConfigureAwait(false);
            }
        }
        finally
        {
            _waiting = null;
        }
    }
}
