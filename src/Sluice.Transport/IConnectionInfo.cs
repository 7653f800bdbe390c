namespace Sluice.Transport;

/// <summary>What operators see of a connection, whatever protocol it speaks. Values are of the moment.</summary>
public interface IConnectionInfo
{
    /// <summary>As "AMQP 0-9-1".</summary>
    string Protocol { get; }

    /// <summary>starting, securing, running, blocked, closing…</summary>
    string StateName { get; }

    /// <summary>The name that the client gave itself; null if none.</summary>
    string? ClientName { get; }

    /// <summary>The client's library, as it says; null if it does not.</summary>
    string? SoftwareName { get; }

    /// <summary>The library's version; null if the client does not say.</summary>
    string? SoftwareVersion { get; }

    /// <summary>Empty before the login.</summary>
    string UserName { get; }

    /// <summary>The SASL mechanism by which the client has logged in; null if it has not.</summary>
    string? Mechanism { get; }

    /// <summary>Empty before it is chosen.</summary>
    string VirtualHostName { get; }

    DateTimeOffset ConnectedAt { get; }

    /// <summary>Closes the connection, with the reason if the protocol can tell it. Returns at once.</summary>
    void Close(string reason);
}
