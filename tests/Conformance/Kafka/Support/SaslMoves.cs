using System.Security.Cryptography;
using System.Text;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>How clients log in.</summary>
internal static class SaslMoves
{
    public const string Sha256 = "SCRAM-SHA-256", Sha512 = "SCRAM-SHA-512";

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public static async Task<SaslAuthenticateResponse> PlainAsync(this RawClient client, string user, string password)
    {
        await client.ChooseAsync("PLAIN");
        return await client.SayAsync($"\0{user}\0{password}");
    }

    /// <summary>Agrees on the mechanism, which must be served.</summary>
    public static async Task ChooseAsync(this RawClient client, string mechanism)
    {
        SaslHandshakeResponse handshake = await client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = mechanism }, 1);
        Assert.Equal(KafkaErrorCode.None, handshake.ErrorCode);
        Assert.Contains(mechanism, handshake.Mechanisms);
    }

    public static Task<SaslAuthenticateResponse> SayAsync(this RawClient client, string message) =>
        client.AskAsync<SaslAuthenticateResponse>(new SaslAuthenticateRequest { AuthBytes = Utf8.GetBytes(message) }, 2);

    /// <summary>A whole login by SCRAM, or the answer that has refused it. The server's proof is checked.</summary>
    public static async Task<SaslAuthenticateResponse> ScramAsync(this RawClient client, string mechanism, string user, string password)
    {
        await client.ChooseAsync(mechanism);
        string nonce = Convert.ToBase64String(RandomNumberGenerator.GetBytes(12));
        string bare = $"n={user.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
        SaslAuthenticateResponse first = await client.SayAsync($"n,,{bare}");
        if (first.ErrorCode != KafkaErrorCode.None)
        {
            return first;
        }

        Assert.Equal(0, first.SessionLifetimeMs);
        string serverFirst = Utf8.GetString(first.AuthBytes.Span);
        Dictionary<char, string> parts = serverFirst.Split(',').ToDictionary(static part => part[0], static part => part[2..]);
        Assert.StartsWith(nonce, parts['r'], StringComparison.Ordinal);
        byte[] salted = SaltedPassword(mechanism, password, Convert.FromBase64String(parts['s']), int.Parse(parts['i']));
        byte[] clientKey = Hmac(mechanism, salted, "Client Key");
        string withoutProof = $"c=biws,r={parts['r']}";
        string signed = $"{bare},{serverFirst},{withoutProof}";
        byte[] signature = Hmac(mechanism, mechanism == Sha256 ? SHA256.HashData(clientKey) : SHA512.HashData(clientKey), signed);
        string proof = Convert.ToBase64String([.. clientKey.Zip(signature, static (key, sign) => (byte)(key ^ sign))]);
        SaslAuthenticateResponse final = await client.SayAsync($"{withoutProof},p={proof}");
        if (final.ErrorCode == KafkaErrorCode.None)
        {
            Assert.Equal($"v={Convert.ToBase64String(Hmac(mechanism, Hmac(mechanism, salted, "Server Key"), signed))}", Utf8.GetString(final.AuthBytes.Span));
        }

        return final;
    }

    public static byte[] SaltedPassword(string mechanism, string password, byte[] salt, int iterations) => Rfc2898DeriveBytes.Pbkdf2(
        password, salt, iterations, mechanism == Sha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512, mechanism == Sha256 ? 32 : 64);

    private static byte[] Hmac(string mechanism, byte[] key, string text) => mechanism == Sha256 ? HMACSHA256.HashData(key, Utf8.GetBytes(text)) : HMACSHA512.HashData(key, Utf8.GetBytes(text));
}
