using System.Net.Sockets;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Crash;

internal static class Breakage
{
    private static readonly TimeSpan DropTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Disposes a connection whose broker is gone; the client library is given little time for it.</summary>
    public static Task DropAsync(IConnection connection) => Task.WhenAny(connection.DisposeAsync().AsTask(), Task.Delay(DropTimeout));

    /// <summary>Whether an exception is what a client sees when its broker dies.</summary>
    public static bool IsBroken(Exception e) => e switch
    {
        OperationInterruptedException { ShutdownReason: { Initiator: ShutdownInitiator.Peer } } => false,
        OperationInterruptedException or IOException or SocketException or OperationCanceledException or TimeoutException or ObjectDisposedException => true,
        _ => false,
    };
}
