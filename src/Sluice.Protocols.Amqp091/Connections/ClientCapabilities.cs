using Sluice.Broker.Definitions;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>What a client says it understands, in the capabilities table of its client properties.</summary>
/// <param name="ConsumerCancelNotify">basic.cancel from the server when a queue goes.</param>
/// <param name="ConnectionBlocked">connection.blocked and connection.unblocked.</param>
/// <param name="AuthenticationFailureClose">connection.close when the login is refused, instead of a silent end.</param>
internal readonly record struct ClientCapabilities(bool ConsumerCancelNotify, bool ConnectionBlocked, bool AuthenticationFailureClose)
{
    public static ClientCapabilities Read(Arguments clientProperties)
    {
        if (clientProperties["capabilities"] is not Arguments table)
        {
            return default;
        }

        return new ClientCapabilities(table["consumer_cancel_notify"] is true, table["connection.blocked"] is true, table["authentication_failure_close"] is true);
    }
}
