using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>SaslHandshake and SaslAuthenticate (KIP-43, KIP-152).</summary>
internal static class SaslHandler
{
    public static IKafkaMessage Handle(KafkaRequest request, SaslHandshakeRequest body)
    {
        if (request.Version == 0)
        {
            // What would follow are bare tokens without request headers, which no client of the last years sends.
            throw new KafkaParseException("version 0 of SaslHandshake, which is not served");
        }

        return new SaslHandshakeResponse
        {
            ErrorCode = request.Connection.Login.TryChoose(body.Mechanism) ? KafkaErrorCode.None : KafkaErrorCode.UnsupportedSaslMechanism,
            Mechanisms = [.. SaslLogin.Mechanisms],
        };
    }

    public static async ValueTask<SaslAuthenticateResponse> HandleAsync(KafkaRequest request, SaslAuthenticateRequest body)
    {
        if (request.Connection.Login.Mechanism is null)
        {
            return new SaslAuthenticateResponse { ErrorCode = KafkaErrorCode.IllegalSaslState, ErrorMessage = "SaslAuthenticate request received without a SaslHandshake before it" };
        }

        string? problem = await request.Connection.Login.AuthenticateAsync(body.AuthBytes).ConfigureAwait(false);
        return new SaslAuthenticateResponse
        {
            ErrorCode = problem is null ? KafkaErrorCode.None : KafkaErrorCode.SaslAuthenticationFailed,
            ErrorMessage = problem,
        };
    }
}
