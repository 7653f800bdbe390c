using Microsoft.Extensions.Logging;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>Says in the log what is wrong with a client that does not begin with the protocol header, and what is to be done.</summary>
internal static class StrangeClient
{
    private static readonly WrongProtocol s_wrongProtocol = new("AMQP clients", "Amqp", "amqp:// in place of amqps://");

    /// <summary>Ends the connection.</summary>
    /// <param name="connection">The client's.</param>
    /// <param name="kind">What its first octets are.</param>
    /// <param name="first">These, as far as they have come; at most those of a protocol header.</param>
    public static void Refuse(Amqp091Connection connection, ProtocolHeaderKind kind, ReadOnlySpan<byte> first)
    {
        string? known = kind == ProtocolHeaderKind.OtherVersion
            ? $"it speaks {FirstBytes.Protocol(first)}, and only AMQP 0-9-1 is served: give it a client library for that"
            : s_wrongProtocol.Of(first, connection.Client.Tls is not null);
        string reason = known ?? "it speaks no protocol that is known, and this is the port for AMQP clients";
        if (connection.Server.RefusedClients.IsNews(RefusedClient.Of(connection.Client, reason)))
        {
            connection.Server.Logger.LogWarning(
                "Connection {Connection} is closed: {Reason}{Beginning}", connection.Name, reason, known is null ? $" (it begins with the octets {Convert.ToHexString(first)})" : "");
        }

        connection.Finish(reason);
    }
}
