using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Sluice.Security.Sasl;

/// <summary>A key that proves a token's signature (RFC 7517, RFC 7518): of RSA, of an elliptic curve, or a secret that the maker of tokens and the broker share. Immutable.</summary>
public sealed class TokenKey
{
    /// <summary>Shortest secret, in bytes, and shortest RSA key, in bits, as RFC 7518 asks for.</summary>
    public const int SecretBytesMin = 32, RsaBitsMin = 2048;

    private readonly string? _id;
    private readonly string? _algorithm;
    private readonly RSAParameters? _rsa;
    private readonly ECParameters? _curve;
    private readonly byte[]? _secret;

    private TokenKey(string? id, string? algorithm, RSAParameters? rsa, ECParameters? curve, byte[]? secret)
    {
        _id = id;
        _algorithm = algorithm;
        _rsa = rsa;
        _curve = curve;
        _secret = secret;
    }

    /// <exception cref="ArgumentException">It is too short.</exception>
    public static TokenKey OfSecret(ReadOnlySpan<byte> secret) => secret.Length >= SecretBytesMin
        ? new TokenKey(null, null, null, null, secret.ToArray())
        : throw new ArgumentException($"The secret has {secret.Length} bytes; at least {SecretBytesMin} are needed.", nameof(secret));

    /// <summary>The public keys for signatures in a JSON Web Key Set; those of other kinds or too weak are passed over.</summary>
    /// <exception cref="FormatException">It is no such set.</exception>
    public static IReadOnlyList<TokenKey> ReadSet(ReadOnlyMemory<byte> json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("keys", out JsonElement keys) && keys.ValueKind == JsonValueKind.Array
                ? [.. keys.EnumerateArray().Select(Read).OfType<TokenKey>()]
                : throw new FormatException("It has no member 'keys' with an array.");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a text that is no Unicode.
            throw new FormatException("It is not JSON.", error);
        }
    }

    /// <summary>Whether the token may have been signed with this key.</summary>
    internal bool Suits(string? id, string algorithm) => (id is null || _id is null || id == _id) && (_algorithm is null || _algorithm == algorithm) && algorithm.Length > 2 && algorithm[..2] switch
    {
        "RS" or "PS" => _rsa is not null,
        "ES" => _curve is { } curve && curve.Q.X!.Length == CurveBytes(algorithm),
        "HS" => _secret is not null,
        _ => false,
    };

    /// <summary>Whether it was signed with this key, which must suit it.</summary>
    internal bool Verify(string algorithm, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        HashAlgorithmName hash = algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            "512" => HashAlgorithmName.SHA512,
            _ => default,
        };
        if (hash == default)
        {
            return false;
        }

        if (_secret is not null)
        {
            return CryptographicOperations.FixedTimeEquals(CryptographicOperations.HmacData(hash, _secret, signed), signature);
        }

        try
        {
            if (_rsa is { } rsaKey)
            {
                using RSA rsa = RSA.Create(rsaKey);
                return rsa.VerifyData(signed, signature, hash, algorithm[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
            }

            using ECDsa curve = ECDsa.Create(_curve!.Value);
            return curve.VerifyData(signed, signature, hash);
        }
        catch (CryptographicException)
        {
            // The numbers of the set are no key.
            return false;
        }
    }

    private static int CurveBytes(string algorithm) => algorithm switch
    {
        "ES256" => 32,
        "ES384" => 48,
        "ES512" => 66,
        _ => 0,
    };

    private static TokenKey? Read(JsonElement key)
    {
        if (key.ValueKind != JsonValueKind.Object || Text(key, "use") is not (null or "sig"))
        {
            return null;
        }

        (string? id, string? algorithm) = (Text(key, "kid"), Text(key, "alg"));
        switch (Text(key, "kty"))
        {
            case "RSA" when Bytes(key, "n") is { } modulus && Bytes(key, "e") is { } exponent && modulus.Length * 8 >= RsaBitsMin:
                return new TokenKey(id, algorithm, new RSAParameters { Modulus = modulus, Exponent = exponent }, null, null);
            case "EC" when CurveOf(Text(key, "crv")) is { } curve && Bytes(key, "x") is { } x && Bytes(key, "y") is { } y && x.Length == y.Length:
                return new TokenKey(id, algorithm, null, new ECParameters { Curve = curve, Q = new ECPoint { X = x, Y = y } }, null);
            default:
                return null;
        }
    }

    private static ECCurve? CurveOf(string? name) => name switch
    {
        "P-256" => ECCurve.NamedCurves.nistP256,
        "P-384" => ECCurve.NamedCurves.nistP384,
        "P-521" => ECCurve.NamedCurves.nistP521,
        _ => null,
    };

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? Bytes(JsonElement element, string name) => Text(element, name) is { } text && Base64Url.IsValid(text) ? Base64Url.DecodeFromChars(text) : null;
}
