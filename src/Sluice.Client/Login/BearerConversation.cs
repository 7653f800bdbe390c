using System.Text;

namespace Sluice.Client.Login;

/// <summary>OAUTHBEARER (RFC 7628): one message with a token. A broker that refuses it says so, and is acknowledged, before it ends the login.</summary>
internal sealed class BearerConversation(SaslOAuthBearer login) : ISaslConversation
{
    private const int ReasonBytesMax = 1000;

    private string? _refusal;

    public async ValueTask<byte[]> BeginAsync(CancellationToken cancel)
    {
        string token;
        try
        {
            token = await login.Token(cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new InvalidDataException($"there is no token: {error.Message}", error);
        }

        if (string.IsNullOrEmpty(token) || token.Any(static letter => letter is <= ' ' or > '~'))
        {
            throw new InvalidDataException(string.IsNullOrEmpty(token) ? "there is no token" : "the token has letters that tokens do not have");
        }

        return Encoding.ASCII.GetBytes($"n,,\u0001auth=Bearer {token}\u0001\u0001");
    }

    public byte[]? Answer(ReadOnlySpan<byte> message)
    {
        if (_refusal is { } refusal)
        {
            throw new InvalidDataException($"the broker refuses the token: {refusal}");
        }

        if (message.IsEmpty)
        {
            return null;
        }

        _refusal = Encoding.UTF8.GetString(message[..Math.Min(message.Length, ReasonBytesMax)]);
        return [1];
    }
}
