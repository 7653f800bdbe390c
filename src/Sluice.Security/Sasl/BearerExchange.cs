using System.Text;

namespace Sluice.Security.Sasl;

/// <summary>OAUTHBEARER (RFC 7628): one message with a token. Who is refused is told so, and acknowledges it, before the login has failed.</summary>
internal sealed class BearerExchange(Authenticator authenticator, TokenValidator tokens, LoginOrigin origin) : SaslExchange
{
    private const char Separator = '\u0001';
    private const string AuthorizationKey = "auth=", Scheme = "bearer ";

    private LoginResult? _refused;

    public override async ValueTask<SaslStep> NextAsync(ReadOnlyMemory<byte> message, CancellationToken cancellation)
    {
        if (_refused is { } refused)
        {
            return new SaslStep(default, refused);
        }

        if (Read(Encoding.UTF8.GetString(message.Span)) is not { } sent)
        {
            return new SaslStep(default, authenticator.Refuse(LoginRefusal.Malformed, "", origin, "the OAUTHBEARER message cannot be read"));
        }

        TokenVerdict verdict = await tokens.CheckAsync(sent.Token, cancellation).ConfigureAwait(false);
        if (verdict.UserName is not { } userName)
        {
            return Challenge("", $"its token is refused: {verdict.Problem}");
        }

        if (sent.AuthorizationName.Length > 0 && sent.AuthorizationName != userName)
        {
            return Challenge(userName, "it asks to act for another user");
        }

        return authenticator.FindUser(userName) is { } user
            ? new SaslStep(default, authenticator.Admit(user, origin), verdict.ExpiresAt)
            : Challenge(userName, "there is no user of the token's name");
    }

    private SaslStep Challenge(string userName, string reason)
    {
        _refused = authenticator.Refuse(LoginRefusal.BadCredentials, userName, origin, reason);
        return new SaslStep("{\"status\":\"invalid_token\"}"u8.ToArray(), null);
    }

    /// <summary><c>n,[a=name],^A key=value^A … ^A</c>, where ^A is 01.</summary>
    private static (string Token, string AuthorizationName)? Read(string message)
    {
        if (message.Split(Separator) is not [var header, .. var pairs, "", ""]
            || header.Split(',') is not ["n" or "y", var authorization, ""]
            || (authorization.Length > 0 && !authorization.StartsWith("a=", StringComparison.Ordinal)))
        {
            return null;
        }

        string[] written = [.. pairs.Where(static pair => pair.StartsWith(AuthorizationKey, StringComparison.Ordinal))];
        return written is [var one] && one[AuthorizationKey.Length..] is var value && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? (value[Scheme.Length..].Trim(' '), authorization.Length == 0 ? "" : authorization[2..].Replace("=2C", ",", StringComparison.Ordinal).Replace("=3D", "=", StringComparison.Ordinal))
            : null;
    }
}
