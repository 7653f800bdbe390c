namespace Sluice.Transport;

/// <summary>Says in words that a client has come to a listener for another protocol than its own, and what is to be done.</summary>
/// <param name="clients">For whom the listener is, such as "Kafka clients".</param>
/// <param name="section">What the names of its settings begin with, such as "Kafka".</param>
/// <param name="withoutTls">What makes such a client leave off TLS.</param>
public sealed class WrongProtocol(string clients, string section, string withoutTls)
{
    /// <summary>Of a client that begins so, as "it"; null: it is not known by its beginning.</summary>
    /// <param name="first">What the client sends first.</param>
    /// <param name="isTls">Whether this comes by TLS.</param>
    public string? Of(ReadOnlySpan<byte> first, bool isTls) => FirstBytes.Protocol(first) switch
    {
        null => null,
        FirstBytes.Tls when !isTls => $"it speaks TLS, and this port is the one without: let it connect to the port with TLS ({section}:Tls:Port), or switch TLS off in the client ({withoutTls})",
        FirstBytes.Kafka => Elsewhere(FirstBytes.Kafka, "Kafka", isTls),
        FirstBytes.Amqp091 => Elsewhere(FirstBytes.Amqp091, "Amqp", isTls),
        FirstBytes.Http => $"it speaks HTTP, and this is the port for {clients}: the broker's HTTP API has another (Admin:Port)",
        var other => $"it speaks {other}, and this is the port for {clients}",
    };

    private string? Elsewhere(string protocol, string otherSection, bool isTls) => otherSection == section ? null
        : $"it speaks {protocol}, and this is the port for {clients}: let it connect to the one for its protocol ({otherSection}:{(isTls ? "Tls:" : "")}Port)";
}
