using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>SaslHandshake and SaslAuthenticate (KIP-43, KIP-152, KIP-368).</summary>
internal static class SaslHandler
{
    public static IKafkaMessage Handle(KafkaRequest request, SaslHandshakeRequest body)
    {
        if (request.Version == 0)
        {
            // What would follow are bare tokens without request headers, which no client of the last years sends.
            throw new ConnectionRefusedException("it asks for version 0 of SaslHandshake, which is not served");
        }

        return new SaslHandshakeResponse
        {
            ErrorCode = request.Connection.Login.Choose(body.Mechanism),
            Mechanisms = [.. request.Connection.Login.Mechanisms],
        };
    }

    public static ValueTask<SaslAuthenticateResponse> HandleAsync(KafkaRequest request, SaslAuthenticateRequest body) => request.Connection.Login.AuthenticateAsync(body.AuthBytes);
}
