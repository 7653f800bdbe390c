using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace Sluice.Security.Sasl;

/// <summary>Checks JSON Web Tokens (RFC 7519) that are signed (RFC 7515) by keys that are known. Thread-safe.</summary>
public sealed class TokenValidator(TokenOptions options, TokenKeys keys, TimeProvider clock)
{
    private const string Unsecured = "none";
    private const int TokenCharsMax = 64 << 10;

    private static readonly JsonDocumentOptions s_json = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <summary>What a token says, or why it is not believed.</summary>
    internal async ValueTask<TokenVerdict> CheckAsync(string token, CancellationToken cancellation)
    {
        try
        {
            return await CheckUnguardedAsync(token, cancellation).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            // What JSON's reader says to an escaped text that is no Unicode.
            return TokenVerdict.Refused("it has a text that cannot be read");
        }
    }

    private async ValueTask<TokenVerdict> CheckUnguardedAsync(string token, CancellationToken cancellation)
    {
        if (token.Length > TokenCharsMax || token.Split('.') is not [var header, var payload, var signature]
            || !TryReadJson(header, out JsonDocument? headerJson))
        {
            return TokenVerdict.Refused("it is no JSON Web Token");
        }

        string? algorithm, id;
        using (headerJson)
        {
            algorithm = Text(headerJson.RootElement, "alg");
            id = Text(headerJson.RootElement, "kid");
            if (algorithm is null || headerJson.RootElement.TryGetProperty("crit", out _))
            {
                return TokenVerdict.Refused("its header has no algorithm, or asks for what is not known here");
            }
        }

        if (algorithm.Equals(Unsecured, StringComparison.OrdinalIgnoreCase))
        {
            if (!options.AllowsUnsecuredTokens || signature.Length > 0)
            {
                return TokenVerdict.Refused("it is not signed");
            }
        }
        else if (!Base64Url.IsValid(signature) || !await IsSignedAsync(id, algorithm, Encoding.UTF8.GetBytes($"{header}.{payload}"), Base64Url.DecodeFromChars(signature), cancellation).ConfigureAwait(false))
        {
            return TokenVerdict.Refused("no key that is known has signed it");
        }

        if (!TryReadJson(payload, out JsonDocument? claims))
        {
            return TokenVerdict.Refused("its claims are no JSON object");
        }

        using (claims)
        {
            return Check(claims.RootElement);
        }
    }

    private TokenVerdict Check(JsonElement claims)
    {
        DateTimeOffset now = clock.GetUtcNow();
        if (Time(claims, "exp") is not { } expires)
        {
            return TokenVerdict.Refused("it does not say when it expires");
        }

        if (now - options.ClockSkew >= expires)
        {
            return TokenVerdict.Refused($"it has expired at {expires:O}");
        }

        if ((claims.TryGetProperty("nbf", out _) && Time(claims, "nbf") is var begins && !(begins <= now + options.ClockSkew))
            || (claims.TryGetProperty("iat", out _) && Time(claims, "iat") is var made && !(made <= now + options.ClockSkew)))
        {
            return TokenVerdict.Refused("it is of the future");
        }

        return options.Issuer.Length > 0 && Text(claims, "iss") != options.Issuer ? TokenVerdict.Refused($"its issuer is not '{options.Issuer}'")
            : options.Audience.Length > 0 && !IsForAudience(claims) ? TokenVerdict.Refused($"it is not for '{options.Audience}'")
            : Text(claims, options.UserClaim) is not { Length: > 0 } user ? TokenVerdict.Refused($"it has no claim '{options.UserClaim}' with a name")
            : new TokenVerdict(user, expires, null);
    }

    private bool IsForAudience(JsonElement claims) => claims.TryGetProperty("aud", out JsonElement audience) && audience.ValueKind switch
    {
        JsonValueKind.String => audience.ValueEquals(options.Audience),
        JsonValueKind.Array => audience.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals(options.Audience)),
        _ => false,
    };

    private async ValueTask<bool> IsSignedAsync(string? id, string algorithm, byte[] signed, byte[] signature, CancellationToken cancellation)
    {
        IReadOnlyList<TokenKey> suiting = await keys.FindAsync(id, algorithm, cancellation).ConfigureAwait(false);
        return suiting.Any(key => key.Verify(algorithm, signed, signature));
    }

    private static bool TryReadJson(string part, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JsonDocument? json)
    {
        json = null;
        if (!Base64Url.IsValid(part))
        {
            return false;
        }

        try
        {
            json = JsonDocument.Parse(Base64Url.DecodeFromChars(part), s_json);
        }
        catch (JsonException)
        {
            return false;
        }

        if (json.RootElement.ValueKind == JsonValueKind.Object)
        {
            return true;
        }

        json.Dispose();
        json = null;
        return false;
    }

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Seconds since 1970, possibly with a fraction; null: it is missing or no such time.</summary>
    private static DateTimeOffset? Time(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double seconds) && seconds is >= 0 and < 253_402_300_799
            ? DateTimeOffset.UnixEpoch.AddSeconds(seconds)
            : null;
}

/// <param name="UserName">Whose it is; null when refused.</param>
/// <param name="ExpiresAt">Until when it is good.</param>
/// <param name="Problem">Why it is not believed; null if it is.</param>
internal readonly record struct TokenVerdict(string? UserName, DateTimeOffset ExpiresAt, string? Problem)
{
    public static TokenVerdict Refused(string problem) => new(null, default, problem);
}
