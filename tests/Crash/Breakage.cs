using System.Net.Sockets;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Crash;

internal static class Breakage
{
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan DropTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Disposes a connection whose broker is gone; the client library, which may not have noticed, would wait for the broker's answer for seconds.</summary>
    public static async Task DropAsync(IConnection connection)
    {
        try
        {
            await connection.AbortAsync(Constants.ReplySuccess, "the broker is gone", AbortTimeout);
        }
        catch (OperationCanceledException)
        {
            // What it had to send was in the way of its farewell.
        }

        await Task.WhenAny(connection.DisposeAsync().AsTask(), Task.Delay(DropTimeout));
    }

    /// <summary>Whether an exception is what a client sees when its broker dies.</summary>
    public static bool IsBroken(Exception e) => e switch
    {
        OperationInterruptedException { ShutdownReason: { Initiator: ShutdownInitiator.Peer } } => false,
        OperationInterruptedException or IOException or SocketException or OperationCanceledException or TimeoutException or ObjectDisposedException => true,
        _ => false,
    };
}
