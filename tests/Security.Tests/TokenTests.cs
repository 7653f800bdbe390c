using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Security.Sasl;

namespace Sluice.Security.Tests;

/// <summary>Login by OAUTHBEARER (RFC 7628) with JSON Web Tokens (RFC 7515, 7517, 7518, 7519).</summary>
public sealed class TokenTests
{
    private const long Now = 1_700_000_000;
    private const string Secret = "a secret of at least 32 bytes, here 42 of them";

    private static readonly LoginOrigin Far = new(new IPEndPoint(IPAddress.Parse("192.0.2.7"), 5000), null);

    private readonly RecordingLogger<Authenticator> _log = new();
    private readonly AccessControl _control = new(new MemorySecurityStore(), NullLogger<AccessControl>.Instance);
    private readonly SettableClock _clock = new();
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly ECDsa _curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private string KeySet
    {
        get
        {
            RSAParameters rsa = _rsa.ExportParameters(false);
            ECParameters curve = _curve.ExportParameters(false);
            return $$"""
                {"keys":[
                {"kty":"RSA","kid":"r","n":"{{Base64Url.EncodeToString(rsa.Modulus)}}","e":"{{Base64Url.EncodeToString(rsa.Exponent)}}"},
                {"kty":"EC","kid":"e","crv":"P-256","x":"{{Base64Url.EncodeToString(curve.Q.X)}}","y":"{{Base64Url.EncodeToString(curve.Q.Y)}}","use":"sig"},
                {"kty":"oct","kid":"o","k":"AAAA"},{"kty":"RSA","kid":"weak","n":"AQAB","e":"AQAB"},17]}
                """;
        }
    }

    [Fact]
    public async Task RFC7628_A_token_of_a_user_is_a_login_until_it_expires()
    {
        SaslExchange exchange = await BeginAsync(Secrets());
        SaslStep step = await SayAsync(exchange, Message(Signed("HS256", Claims())));
        Assert.Equal("ada", step.Login!.Value.User!.Name);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(Now + 60), step.ExpiresAt);
        Assert.Equal(0, step.Challenge.Length);
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("PS512")]
    [InlineData("ES256")]
    public async Task RFC7518_Signatures_by_keys_of_a_set(string algorithm)
    {
        string token = Signed(algorithm, Claims(), id: algorithm[0] == 'E' ? "e" : "r");
        Assert.True(await LogsInAsync(Keys(), token));
        Assert.False(await LogsInAsync(Keys(), token[..^8] + "AAAAAAAA"));
        Assert.False(await LogsInAsync(Keys(), Signed(algorithm, Claims(), id: "other")));
        Assert.False(await LogsInAsync(Keys(), Signed(algorithm, Claims(), id: algorithm[0] == 'E' ? "r" : "e")));
    }

    [Fact]
    public async Task RFC8725_3_1_The_algorithm_must_be_that_of_the_key()
    {
        // A public key is no secret: who takes it for one can be any user.
        string publicKey = Convert.ToBase64String(_rsa.ExportRSAPublicKey());
        Assert.False(await LogsInAsync(Keys(), Signed("HS256", Claims(), secret: publicKey)));
        Assert.False(await LogsInAsync(Keys(), Signed("HS256", Claims(), secret: "\0\0\0", id: "o")));
        Assert.False(await LogsInAsync(Secrets(), Signed("RS256", Claims())));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS999", Claims())));
    }

    [Fact]
    public async Task RFC7519_6_Tokens_without_a_signature_are_refused_unless_that_is_allowed()
    {
        string token = $"{Part("""{"alg":"none"}""")}.{Part(Claims())}.";
        Assert.False(await LogsInAsync(Secrets(), token));
        Assert.False(await LogsInAsync(Secrets(), token.Replace(Part("""{"alg":"none"}"""), Part("""{"alg":"None"}"""), StringComparison.Ordinal)));
        Assert.True(await LogsInAsync(Secrets(), token, new TokenOptions { AllowsUnsecuredTokens = true }));
        Assert.False(await LogsInAsync(Secrets(), token + "AAAA", new TokenOptions { AllowsUnsecuredTokens = true }));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS256", Claims(), secret: "another secret of at least 32 bytes....."), new TokenOptions { AllowsUnsecuredTokens = true }));
    }

    [Theory]
    [InlineData("\"sub\":\"ada\"")]
    [InlineData("\"sub\":\"ada\",\"exp\":1699999969")]
    [InlineData("\"sub\":\"ada\",\"exp\":\"1700000060\"")]
    [InlineData("\"sub\":\"ada\",\"exp\":1700000060,\"nbf\":1700000031")]
    [InlineData("\"sub\":\"ada\",\"exp\":1700000060,\"iat\":1700000031")]
    [InlineData("\"sub\":\"ada\",\"exp\":1700000060,\"nbf\":\"x\"")]
    [InlineData("\"sub\":\"\",\"exp\":1700000060")]
    [InlineData("\"sub\":7,\"exp\":1700000060")]
    [InlineData("\"sub\":\"bob\",\"exp\":1700000060")]
    [InlineData("\"sub\":\"ada\",\"sub\":\"ada\",\"exp\":1700000060")]
    [InlineData("\"sub\":\"\\ud800\",\"exp\":1700000060")]
    [InlineData("\"exp\":1700000060")]
    public async Task RFC7519_4_1_Claims_that_are_refused(string claims) => Assert.False(await LogsInAsync(Secrets(), Signed("HS256", $"{{{claims}}}")));

    [Fact]
    public async Task RFC7519_4_1_Issuer_audience_and_the_claim_of_the_name()
    {
        var options = new TokenOptions { Issuer = "https://login.example", Audience = "sluice", UserClaim = "name" };
        Assert.True(await LogsInAsync(Secrets(), Signed("HS256", """{"name":"ada","exp":1700000060,"iss":"https://login.example","aud":"sluice"}"""), options));
        Assert.True(await LogsInAsync(Secrets(), Signed("HS256", """{"name":"ada","exp":1700000060,"iss":"https://login.example","aud":["x","sluice"]}"""), options));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS256", """{"name":"ada","exp":1700000060,"iss":"https://login.example","aud":["x"]}"""), options));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS256", """{"name":"ada","exp":1700000060,"iss":"https://other.example","aud":"sluice"}"""), options));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS256", """{"name":"ada","exp":1700000060,"aud":"sluice"}"""), options));
        Assert.False(await LogsInAsync(Secrets(), Signed("HS256", """{"sub":"ada","exp":1700000060,"iss":"https://login.example","aud":"sluice"}"""), options));
    }

    [Theory]
    [InlineData("")]
    [InlineData("n,,\u0001auth=Bearer x.y.z\u0001")]
    [InlineData("n,,\u0001host=h\u0001\u0001")]
    [InlineData("n,,\u0001auth=Basic x\u0001\u0001")]
    [InlineData("p=x,,\u0001auth=Bearer x.y.z\u0001\u0001")]
    [InlineData("n,,\u0001auth=Bearer a.b.c\u0001auth=Bearer a.b.c\u0001\u0001")]
    public async Task RFC7628_3_1_Messages_that_cannot_be_read(string message)
    {
        SaslStep step = await SayAsync(await BeginAsync(Secrets()), message);
        Assert.Equal(LoginRefusal.Malformed, step.Login!.Value.Refusal);
    }

    [Theory]
    [InlineData("a.b")]
    [InlineData("a.b.c.d")]
    [InlineData("!.!.!")]
    [InlineData("e30.e30.")]
    [InlineData("W10.W10.W10")]
    public async Task RFC7628_3_2_2_Who_is_refused_is_told_and_acknowledges_it(string token)
    {
        SaslExchange exchange = await BeginAsync(Secrets());
        SaslStep told = await SayAsync(exchange, Message(token));
        Assert.Null(told.Login);
        Assert.Equal("{\"status\":\"invalid_token\"}", Encoding.UTF8.GetString(told.Challenge.Span));
        Assert.Equal(LoginRefusal.BadCredentials, (await SayAsync(exchange, "\u0001")).Login!.Value.Refusal);
        Assert.True(_log.Has(LogLevel.Warning, "192.0.2.7"));
    }

    [Fact]
    public async Task RFC7628_Nobody_acts_for_another_user()
    {
        SaslExchange exchange = await BeginAsync(Secrets());
        Assert.Null((await SayAsync(exchange, Message(Signed("HS256", Claims()), "n,a=bob,"))).Login);
        exchange = await BeginAsync(Secrets());
        Assert.True((await SayAsync(exchange, Message(Signed("HS256", Claims()), "n,a=ada,"))).Login!.Value.Succeeded);
    }

    [Fact]
    public async Task Keys_are_read_again_when_they_are_old_or_one_is_missing()
    {
        string set = """{"keys":[]}""";
        int reads = 0;
        var keys = new TokenKeys(
            _ =>
            {
                reads++;
                return set.Length == 0 ? throw new IOException("gone") : new ValueTask<ReadOnlyMemory<byte>>(Encoding.UTF8.GetBytes(set));
            },
            TimeSpan.FromMinutes(60),
            _clock,
            NullLogger.Instance);
        string token = Signed("ES256", Claims(expires: Now + 100_000), id: "e");
        Assert.False(await LogsInAsync(keys, token));
        set = KeySet;
        Assert.False(await LogsInAsync(keys, token));
        Assert.Equal(1, reads);

        // A key that is missing is asked for, but not by each token.
        _clock.Advance(TimeSpan.FromSeconds(11));
        Assert.True(await LogsInAsync(keys, token));
        Assert.True(await LogsInAsync(keys, token));
        Assert.Equal(2, reads);
        set = "";
        _clock.Advance(TimeSpan.FromMinutes(61));
        Assert.True(await LogsInAsync(keys, token));
        Assert.Equal(3, reads);
        set = "nonsense";
        _clock.Advance(TimeSpan.FromMinutes(61));
        Assert.True(await LogsInAsync(keys, token));
        set = """{"keys":[]}""";
        _clock.Advance(TimeSpan.FromMinutes(61));
        Assert.False(await LogsInAsync(keys, token));
    }

    [Fact]
    public async Task A_client_that_goes_away_does_not_end_the_reading_of_keys()
    {
        var set = new TaskCompletionSource<ReadOnlyMemory<byte>>();
        int reads = 0;
        var keys = new TokenKeys(
            cancellation =>
            {
                reads++;
                return new ValueTask<ReadOnlyMemory<byte>>(set.Task.WaitAsync(cancellation));
            },
            TimeSpan.FromMinutes(60),
            _clock,
            NullLogger.Instance);
        string message = Message(Signed("ES256", Claims(), id: "e"));
        SaslExchange leaver = await BeginAsync(keys);
        using var leave = new CancellationTokenSource();
        Task<SaslStep> left = leaver.NextAsync(Encoding.UTF8.GetBytes(message), leave.Token).AsTask();
        SaslExchange stayer = await BeginAsync(keys);
        Task<SaslStep> stayed = SayAsync(stayer, message);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        set.SetResult(Encoding.UTF8.GetBytes(KeySet));
        Assert.True((await stayed).Login!.Value.Succeeded);
        Assert.Equal(1, reads);
    }

    [Fact]
    public void A_short_secret_is_refused() => Assert.Throws<ArgumentException>(() => TokenKey.OfSecret("too short"u8));

    private static TokenKeys Secrets() => new([TokenKey.OfSecret(Encoding.UTF8.GetBytes(Secret))]);

    private static string Claims(long expires = Now + 60) => $$"""{"sub":"ada","exp":{{expires}},"iat":{{Now}},"scope":"x"}""";

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    private static string Message(string token, string header = "n,,") => $"{header}\u0001host=broker\u0001auth=Bearer {token}\u0001\u0001";

    private static async Task<SaslStep> SayAsync(SaslExchange exchange, string message) => await exchange.NextAsync(Encoding.UTF8.GetBytes(message), CancellationToken.None);

    private TokenKeys Keys() => new(TokenKey.ReadSet(Encoding.UTF8.GetBytes(KeySet)));

    private string Signed(string algorithm, string claims, string? id = null, string secret = Secret)
    {
        string signed = $"{Part(id is null ? $$"""{"alg":"{{algorithm}}"}""" : $$"""{"alg":"{{algorithm}}","kid":"{{id}}"}""")}.{Part(claims)}";
        byte[] bytes = Encoding.UTF8.GetBytes(signed);
        byte[] signature = algorithm switch
        {
            "RS256" => _rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "PS512" => _rsa.SignData(bytes, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
            "ES256" => _curve.SignData(bytes, HashAlgorithmName.SHA256),
            _ => HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), bytes),
        };
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    private async Task<SaslExchange> BeginAsync(TokenKeys keys, TokenOptions? options = null)
    {
        await _control.PutUserAsync(new User("ada", null, [], default));
        var authenticator = new Authenticator(_control, new AuthenticatorOptions(), _clock, _log, new TokenValidator(options ?? new TokenOptions(), keys, _clock));
        Assert.Contains("OAUTHBEARER", authenticator.ExchangeMechanisms);
        return authenticator.Begin("OAUTHBEARER", Far)!;
    }

    private async Task<bool> LogsInAsync(TokenKeys keys, string token, TokenOptions? options = null) =>
        (await SayAsync(await BeginAsync(keys, options), Message(token))).Login is { Succeeded: true };

    private sealed class SettableClock : TimeProvider
    {
        private TimeSpan _passed = TimeSpan.FromSeconds(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _passed += time;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(Now) + _passed - TimeSpan.FromSeconds(1);

        public override long GetTimestamp() => _passed.Ticks;
    }
}
