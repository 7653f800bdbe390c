using System.Net.Sockets;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Crash;

internal static class Breakage
{
    /// <summary>Whether an exception is what a client sees when its broker dies.</summary>
    public static bool IsBroken(Exception e) => e switch
    {
        OperationInterruptedException { ShutdownReason: { Initiator: RabbitMQ.Client.ShutdownInitiator.Peer } } => false,
        OperationInterruptedException or IOException or SocketException or OperationCanceledException or TimeoutException or ObjectDisposedException => true,
        _ => false,
    };
}
