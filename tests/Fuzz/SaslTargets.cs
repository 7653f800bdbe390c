using System.Buffers.Text;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Security;
using Sluice.Security.Sasl;

namespace Sluice.Fuzz;

/// <summary>
/// What strangers send to log in: the messages of SASL mechanisms, tokens, and key sets. They may be refused; any exception, but <see cref="FormatException"/> for a key set,
/// and any user who is let in by other than an unsigned token, is a finding.
/// </summary>
public sealed class SaslTargets : IFuzzTargets
{
    private const char Separator = '\u0001';
    private const byte MessageEnd = 0xff;
    private const int KeySetTarget = 3;

    private static readonly string[] Mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

    private readonly AccessControl _access = new(new NoStore(), NullLogger<AccessControl>.Instance);
    private readonly Authenticator _authenticator;

    public SaslTargets()
    {
        var tokens = new TokenValidator(new TokenOptions { AllowsUnsecuredTokens = true, Audience = "sluice" }, new TokenKeys(TokenKey.ReadSet(Encoding.UTF8.GetBytes(KeySet))), TimeProvider.System);
        _authenticator = new Authenticator(_access, new AuthenticatorOptions(), TimeProvider.System, NullLogger<Authenticator>.Instance, tokens);
    }

    public IReadOnlyList<byte[]> Seeds { get; } =
    [
        [0, 0, .. "n,,n=guest,r=abc"u8, MessageEnd, .. "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="u8],
        [1, 0, .. "n,a=gu=2Cest,n=gu=3Dest,r=abc,tokenauth=true"u8, MessageEnd, .. "c=biws,r=abc,p="u8],
        [2, 0, .. Token("""{"alg":"none"}""", """{"sub":"guest","exp":99999999999,"nbf":1,"iat":1.5,"aud":["sluice","x"]}""", "")],
        [2, 0, .. Token("""{"alg":"RS256","kid":"k"}""", """{"sub":"guest"}""", "AAAA"), MessageEnd, 1],
        [2, 0, .. Token("""{"alg":"ES256","kid":"e"}""", """{"sub":"guest","exp":"x","aud":"sluice"}""", new string('A', 86))],
        [KeySetTarget, 0, .. Encoding.UTF8.GetBytes(KeySet)],
    ];

    private static string KeySet =>
        $$"""{"keys":[{"kty":"RSA","kid":"k","n":"{{new string('x', 344)}}","e":"AQAB"},{"kty":"EC","kid":"e","crv":"P-256","x":"{{new string('A', 43)}}","y":"{{new string('A', 43)}}","use":"sig"}]}""";

    public async Task RunAsync(byte[] input)
    {
        if (input.Length < 2)
        {
            return;
        }

        byte[] bytes = input[2..];
        int target = input[0] % (KeySetTarget + 1);
        if (target == KeySetTarget)
        {
            ReadKeySet(bytes);
            return;
        }

        await _access.CreateFirstUserAsync("guest", "guest", "/").ConfigureAwait(false);
        SaslExchange exchange = _authenticator.Begin(Mechanisms[target], new LoginOrigin(new IPEndPoint(IPAddress.Loopback, 1), null))!;
        for (int at = 0; at <= bytes.Length;)
        {
            int end = Array.IndexOf(bytes, MessageEnd, at) is >= 0 and var found ? found : bytes.Length;
            SaslStep step = await exchange.NextAsync(bytes.AsMemory(at, end - at), CancellationToken.None).ConfigureAwait(false);
            if (step.Login is { } login)
            {
                if (login.Succeeded && target != 2)
                {
                    throw new InvalidOperationException("somebody got in without the password");
                }

                return;
            }

            at = end + 1;
        }
    }

    public void Dispose()
    {
    }

    private static void ReadKeySet(byte[] bytes)
    {
        try
        {
            TokenKey.ReadSet(bytes);
        }
        catch (FormatException)
        {
            // What the operator gets for an answer.
        }
    }

    private static byte[] Token(string header, string claims, string signature) => Encoding.UTF8.GetBytes(
        $"n,,{Separator}auth=Bearer {Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims))}.{signature}{Separator}{Separator}");

    private sealed class NoStore : ISecurityStore
    {
        public IReadOnlyList<SecurityEntry> Load() => [];

        public ValueTask CommitAsync(IReadOnlyList<SecurityChange> changes) => default;
    }
}
