using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;

namespace Sluice.Transport;

/// <summary>How a client was refused.</summary>
public enum ClientRefusal
{
    /// <summary>There are as many connections as may be.</summary>
    TooMany,

    /// <summary>TLS could not be agreed on.</summary>
    TlsFailed,

    /// <summary>It has left as soon as TLS was agreed on.</summary>
    GoneAfterTls,

    /// <summary>What it says is not what is served.</summary>
    Closed,
}

/// <summary>A client whose connection comes to nothing: one of its address, on the same port, of the same user if it is known, for the same reason.</summary>
/// <param name="Kind">How it was refused.</param>
/// <param name="Address">Where it comes from.</param>
/// <param name="Port">At which it has reached the broker.</param>
/// <param name="Reason">In words.</param>
/// <param name="User">Who it is; null if it has not come so far as to say.</param>
public readonly record struct RefusedClient(ClientRefusal Kind, IPAddress Address, int Port, string Reason, string? User = null) : IRefusal
{
    /// <inheritdoc/>
    public static string Things => "clients";

    /// <inheritdoc/>
    public string Origin => RefusalOrigin.Of(Address);

    /// <summary>In words; long ones by their beginning.</summary>
    public string Reason { get; } = LogText.Cut(Reason, LogText.ReasonCharsMax);

    /// <summary>A connection that its protocol does not serve.</summary>
    public static RefusedClient Of(ClientConnection connection, string reason, string? user = null) =>
        new(ClientRefusal.Closed, connection.RemoteEndPoint.Address, connection.LocalEndPoint.Port, reason, user);

    /// <inheritdoc/>
    public void LogAgain(ILogger logger, long count)
    {
        string what = Kind switch
        {
            ClientRefusal.TooMany => "connection refused",
            ClientRefusal.TlsFailed => "TLS handshake failed",
            ClientRefusal.GoneAfterTls => "gone after the TLS handshake",
            _ => "connection closed",
        };
        string user = User is null ? "" : $", user '{User}'";
        logger.LogWarning("Client {Address} on port {Port}{User}: {What} {Count} more times within a minute: {Reason}", Address, Port, user, what, count, Reason);
    }
}
