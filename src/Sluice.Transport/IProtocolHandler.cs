namespace Sluice.Transport;

/// <summary>One wire protocol, as listeners see it. One instance serves all connections of its listeners.</summary>
public interface IProtocolHandler
{
    /// <summary>Short name for logs and listings, e.g. "amqp".</summary>
    string Name { get; }

    /// <summary>
    /// Serves one connection from its first byte to its last; the connection is closed when the task ends. Runs on the receiving
    /// thread: must not block. Must call <see cref="ClientConnection.HandshakeCompleted"/> once the peer has authenticated.
    /// </summary>
    /// <param name="connection">Borrowed until the task ends.</param>
    /// <param name="stopping">Cancelled when the broker stops: say goodbye in the protocol's words, then return.</param>
    Task HandleAsync(ClientConnection connection, CancellationToken stopping);

    /// <summary>
    /// A connection beyond a limit: tell the peer in the protocol's words, if it has any at this moment, then return. The connection is then
    /// closed. Has a few seconds.
    /// </summary>
    Task RefuseAsync(ClientConnection connection, string reason, CancellationToken stopping) => Task.CompletedTask;
}
