using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Sluice.Base.Sasl;

namespace Sluice.Client.Login;

/// <summary>SCRAM (RFC 5802) from the client's side, without channel binding. Who cannot show the server's signature is not believed.</summary>
internal sealed class ScramConversation(SaslScram login, string nonce) : ISaslConversation
{
    /// <summary>RFC 7677 asks for this many; fewer would make the password easy to find for who listens.</summary>
    private const int IterationsMin = 4096;

    /// <summary>More would only keep the client busy: half a second or so.</summary>
    private const int IterationsMax = 1_000_000;

    private const int MessageBytesMax = 16 << 10;

    /// <summary>The GS2 header: no channel binding, nobody else to act for. In base64 <see cref="EncodedHeader"/>.</summary>
    private const string Header = "n,,";

    private const string EncodedHeader = "biws";

    private readonly string _bare = $"n={login.User.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
    private byte[]? _serverSignature;

    private ScramAlgorithm Algorithm => login.Algorithm;

    public ValueTask<byte[]> BeginAsync(CancellationToken cancel) => ValueTask.FromResult(Encoding.UTF8.GetBytes(Header + _bare));

    public byte[]? Answer(ReadOnlySpan<byte> message)
    {
        string text = message.Length <= MessageBytesMax ? Encoding.UTF8.GetString(message) : throw Unreadable();
        if (_serverSignature is null)
        {
            return Prove(text);
        }

        Check(text);
        return null;
    }

    /// <summary><c>r=nonces,s=salt,i=iterations[,extensions]</c></summary>
    private byte[] Prove(string serverFirst)
    {
        if (serverFirst.Split(',') is not [var nonces, var salt, var rounds, ..]
            || Attribute(nonces, 'r') is not { } both
            || Base64(Attribute(salt, 's')) is not { Length: > 0 } saltBytes
            || !int.TryParse(Attribute(rounds, 'i'), NumberStyles.None, CultureInfo.InvariantCulture, out int iterations))
        {
            throw Unreadable();
        }

        if (!both.StartsWith(nonce, StringComparison.Ordinal) || both.Length == nonce.Length)
        {
            throw new InvalidDataException("the broker's answer belongs to another login");
        }

        if (iterations is < IterationsMin or > IterationsMax)
        {
            throw new InvalidDataException($"the broker asks for {iterations} iterations; {IterationsMin} to {IterationsMax} are taken");
        }

        string withoutProof = $"c={EncodedHeader},r={both}";
        byte[] said = Encoding.UTF8.GetBytes($"{_bare},{serverFirst},{withoutProof}");
        byte[] saltedPassword = Algorithm.SaltedPassword(Encoding.UTF8.GetBytes(login.Password), saltBytes, iterations);
        _serverSignature = Algorithm.Sign(Algorithm.ServerKey(saltedPassword), said);
        return Encoding.UTF8.GetBytes($"{withoutProof},p={Convert.ToBase64String(Algorithm.Proof(Algorithm.ClientKey(saltedPassword), said))}");
    }

    /// <summary><c>v=signature</c> or <c>e=error</c></summary>
    private void Check(string serverFinal)
    {
        string first = serverFinal.Split(',')[0];
        if (Attribute(first, 'e') is { } error)
        {
            throw new InvalidDataException($"the broker answered {error}");
        }

        if (Base64(Attribute(first, 'v')) is not { } signature || !CryptographicOperations.FixedTimeEquals(signature, _serverSignature))
        {
            throw new InvalidDataException("the broker does not prove that it knows the password");
        }
    }

    private static InvalidDataException Unreadable() => new("the broker's SCRAM message cannot be read");

    private static string? Attribute(string part, char key) => part.Length >= 2 && part[0] == key && part[1] == '=' ? part[2..] : null;

    private static byte[]? Base64(string? text)
    {
        byte[] bytes = new byte[text?.Length ?? 0];
        return text is not null && Convert.TryFromBase64String(text, bytes, out int count) ? bytes[..count] : null;
    }
}
