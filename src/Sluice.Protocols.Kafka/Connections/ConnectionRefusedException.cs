namespace Sluice.Protocols.Kafka.Connections;

/// <summary>What a client wants is none of the broker's business: its connection ends, as Kafka ends it. The message says why, with the client as "it".</summary>
/// <param name="reason">For the operator.</param>
/// <param name="isLogged">The log has it already.</param>
internal sealed class ConnectionRefusedException(string reason, bool isLogged = false) : Exception(reason)
{
    /// <summary>The log has it already, in better words.</summary>
    public bool IsLogged => isLogged;
}
