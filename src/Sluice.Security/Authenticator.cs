using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;
using Sluice.Security.Sasl;

namespace Sluice.Security;

/// <summary>Settings of an <see cref="Authenticator"/>.</summary>
public sealed record AuthenticatorOptions
{
    /// <summary>Users refused from other machines; RabbitMQ's loopback_users.</summary>
    public IReadOnlyList<string> LoopbackUsers { get; init; } = ["guest"];

    /// <summary>What of a client certificate is the user's name for EXTERNAL.</summary>
    public CertificateLogin CertificateLogin { get; init; } = CertificateLogin.DistinguishedName;
}

/// <summary>Where an attempt to log in comes from.</summary>
/// <param name="Remote">The peer's address.</param>
/// <param name="Certificate">The validated client certificate; null if none.</param>
/// <param name="ClientName">What the client calls itself, for the log; null if nothing.</param>
public readonly record struct LoginOrigin(IPEndPoint Remote, X509Certificate2? Certificate, string? ClientName = null);

/// <summary>Why a login was refused.</summary>
public enum LoginRefusal
{
    None,

    /// <summary>No such user, or a wrong password: deliberately one case.</summary>
    BadCredentials,

    /// <summary>The user may log in from this machine only.</summary>
    LoopbackOnly,

    /// <summary>EXTERNAL without a (valid) client certificate, or one that names no user.</summary>
    NoCertificate,

    /// <summary>The mechanism's response cannot be parsed.</summary>
    Malformed,

    /// <summary>It asks for a part of the mechanism that is not served.</summary>
    Unsupported,

    /// <summary>The client does not log in, and it must.</summary>
    NoLogin,
}

/// <param name="User">Null when refused.</param>
/// <param name="Refusal">None when the login succeeded.</param>
/// <param name="UserName">Who tried, as far as known; for the log and the protocol's error.</param>
public readonly record struct LoginResult(User? User, LoginRefusal Refusal, string UserName)
{
    public bool Succeeded => User is not null;
}

/// <summary>
/// Checks who a client is. Counts every refusal and logs it with name, address and reason: the same again once a minute, with how often it was. Thread-safe.
/// </summary>
public sealed class Authenticator : IDisposable
{
    private const string Plain = "PLAIN", Bearer = "OAUTHBEARER";
    private const int ScramNonceBytes = 24;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly AccessControl _accessControl;
    private readonly AuthenticatorOptions _options;
    private readonly ILogger _logger;
    private readonly RefusalLog<RefusedLogin> _refused;
    private readonly TokenValidator? _tokens;
    private readonly PasswordVerifier _verifier = new();
    private readonly long[] _refusals = new long[(int)Enum.GetValues<LoginRefusal>().Max() + 1];

    /// <param name="accessControl">Knows the users.</param>
    /// <param name="options">Settings.</param>
    /// <param name="clock">Says when refusals that came again are told of.</param>
    /// <param name="logger">Hears of refusals.</param>
    /// <param name="tokens">Checks tokens; null: there is no login by OAUTHBEARER.</param>
    public Authenticator(AccessControl accessControl, AuthenticatorOptions options, TimeProvider clock, ILogger<Authenticator> logger, TokenValidator? tokens = null)
    {
        _accessControl = accessControl;
        _options = options;
        _logger = logger;
        _refused = new RefusalLog<RefusedLogin>(logger, clock);
        Decoys = new ScramDecoys(accessControl);
        _tokens = tokens;
        ExchangeMechanisms = [Plain, .. ScramMechanisms.All.Select(static mechanism => mechanism.Name()), .. tokens is null ? Array.Empty<string>() : [Bearer]];
    }

    /// <summary>What <see cref="Begin"/> takes.</summary>
    public IReadOnlyList<string> ExchangeMechanisms { get; }

    internal ScramDecoys Decoys { get; }

    /// <summary>How many logins were refused for this reason, those included that the log tells of by their number.</summary>
    public long CountRefused(LoginRefusal reason) => Volatile.Read(ref _refusals[(int)reason]);

    /// <summary>Mechanisms to offer, best first, separated by spaces: EXTERNAL only to a peer that can use it.</summary>
    public static string Mechanisms(bool hasClientCertificate) => hasClientCertificate ? "EXTERNAL PLAIN AMQPLAIN" : "PLAIN AMQPLAIN";

    /// <summary>Tells the log of refusals that it has not heard of yet.</summary>
    public void Dispose() => _refused.Dispose();

    /// <summary>Begins a login by a mechanism of SASL, message by message; null if it is none of <see cref="ExchangeMechanisms"/>.</summary>
    public SaslExchange? Begin(string mechanism, LoginOrigin origin) =>
        mechanism == Plain ? new PlainExchange(this, origin)
        : mechanism == Bearer && _tokens is not null ? new BearerExchange(this, _tokens, origin)
        : ScramMechanisms.Find(mechanism) is { } scram ? new ScramExchange(this, scram, origin, Convert.ToBase64String(RandomNumberGenerator.GetBytes(ScramNonceBytes)))
        : null;

    /// <summary>SASL PLAIN (RFC 4616): [authzid] NUL authcid NUL password. An authzid other than the authcid is refused: nobody acts for somebody else.</summary>
    public ValueTask<LoginResult> LoginPlainAsync(ReadOnlyMemory<byte> response, LoginOrigin origin, CancellationToken cancellation = default)
    {
        ReadOnlySpan<byte> span = response.Span;
        int first = span.IndexOf((byte)0);
        int second = first < 0 ? -1 : span[(first + 1)..].IndexOf((byte)0);
        second += first + 1;
        if (second <= first || span[(second + 1)..].Contains((byte)0))
        {
            return new ValueTask<LoginResult>(Refuse(LoginRefusal.Malformed, "", origin, "the PLAIN response does not have two separators"));
        }

        ReadOnlySpan<byte> authorization = span[..first];
        ReadOnlySpan<byte> name = span[(first + 1)..second];
        string userName;
        try
        {
            userName = StrictUtf8.GetString(name);
        }
        catch (DecoderFallbackException)
        {
            return new ValueTask<LoginResult>(Refuse(LoginRefusal.Malformed, "", origin, "the user's name is not UTF-8"));
        }

        return authorization.IsEmpty || authorization.SequenceEqual(name)
            ? LoginPasswordAsync(userName, response[(second + 1)..], origin, cancellation)
            : new ValueTask<LoginResult>(Refuse(LoginRefusal.BadCredentials, userName, origin, "it asks to act for another user"));
    }

    /// <summary>A name and password that the protocol has decoded (AMQPLAIN's LOGIN and PASSWORD, MQTT, HTTP basic). The password is borrowed until completion. Cancel when the client is gone: what still waits for its turn is dropped, so that guessers cannot pile up work.</summary>
    public async ValueTask<LoginResult> LoginPasswordAsync(string userName, ReadOnlyMemory<byte> utf8Password, LoginOrigin origin, CancellationToken cancellation = default)
    {
        User? user = _accessControl.FindUser(userName);

        // Also for a user that does not exist: the time taken must not tell.
        bool matches = await _verifier.VerifyAsync(user?.Password, utf8Password, cancellation).ConfigureAwait(false);
        if (user is null)
        {
            return Refuse(LoginRefusal.BadCredentials, userName, origin, "there is no such user");
        }

        return matches
            ? Admit(user, origin)
            : Refuse(LoginRefusal.BadCredentials, userName, origin, user.Password is null ? "the user has no password" : "the password is wrong");
    }

    /// <summary>SASL EXTERNAL: the client certificate says who it is.</summary>
    public LoginResult LoginExternal(LoginOrigin origin)
    {
        if (origin.Certificate is null)
        {
            return Refuse(LoginRefusal.NoCertificate, "", origin, "EXTERNAL needs a TLS client certificate, and there is none");
        }

        string? userName = CertificateNames.Read(origin.Certificate, _options.CertificateLogin);
        if (userName is null)
        {
            return Refuse(LoginRefusal.NoCertificate, "", origin, $"the certificate '{origin.Certificate.Subject}' has no {_options.CertificateLogin}");
        }

        User? user = _accessControl.FindUser(userName);
        return user is null
            ? Refuse(LoginRefusal.BadCredentials, userName, origin, "there is no user of the certificate's name")
            : Admit(user, origin);
    }

    /// <summary>Admits a user that configuration names for clients which do not log in. Where the user may connect from still counts.</summary>
    /// <param name="userName">The user.</param>
    /// <param name="origin">Where the client comes from.</param>
    /// <param name="setting">What names the user, for the log.</param>
    public LoginResult LoginTrusted(string userName, LoginOrigin origin, string setting)
    {
        User? user = _accessControl.FindUser(userName);
        if (user is not null && MayComeFrom(user, origin))
        {
            return new LoginResult(user, LoginRefusal.None, userName);
        }

        CountWithoutLogin();
        string problem = user is null ? "whom there is not" : "who may connect from the broker's own machine only (Security:LoopbackUsers)";
        if (_refused.IsNews(new RefusedLogin(origin.Remote.Address, userName, problem, IsWithoutLogin: true)))
        {
            _logger.LogWarning(
                "A client from {Remote} that does not log in is refused: it would be user '{User}', {Problem}. Let it log in, or name another user with {Setting}", origin.Remote, userName, problem, setting);
        }

        return new LoginResult(null, LoginRefusal.NoLogin, userName);
    }

    /// <summary>Counts a client that does not log in, and that its protocol refuses, and tells the log of.</summary>
    public void CountWithoutLogin() => Interlocked.Increment(ref _refusals[(int)LoginRefusal.NoLogin]);

    /// <summary>Whether <see cref="LoginTrusted"/> would admit the client; nothing is logged.</summary>
    public bool WouldAdmitTrusted(string userName, LoginOrigin origin) => _accessControl.FindUser(userName) is { } user && MayComeFrom(user, origin);

    private bool MayComeFrom(User user, LoginOrigin origin) => !_options.LoopbackUsers.Contains(user.Name) || IPAddress.IsLoopback(origin.Remote.Address);

    internal User? FindUser(string name) => _accessControl.FindUser(name);

    internal LoginResult Admit(User user, LoginOrigin origin) =>
        !MayComeFrom(user, origin)
            ? Refuse(LoginRefusal.LoopbackOnly, user.Name, origin, "this user may connect from the broker's own machine only (Security:LoopbackUsers)")
            : new LoginResult(user, LoginRefusal.None, user.Name);

    /// <summary>Refuses a login for a reason that only the protocol knows of: it is logged and counted as those are that are refused here.</summary>
    /// <param name="refusal">As what it is counted.</param>
    /// <param name="userName">Who tried.</param>
    /// <param name="origin">Where the client comes from.</param>
    /// <param name="reason">In words, for the log.</param>
    public LoginResult Refuse(LoginRefusal refusal, string userName, LoginOrigin origin, string reason)
    {
        Interlocked.Increment(ref _refusals[(int)refusal]);
        var login = new RefusedLogin(origin.Remote.Address, userName, reason, IsWithoutLogin: false);
        if (_refused.IsNews(login))
        {
            _logger.LogWarning(
                "Login of user '{User}' from {Remote}{Client} refused: {Reason}", login.User, origin.Remote, string.IsNullOrEmpty(origin.ClientName) ? "" : $", client '{LogText.Cut(origin.ClientName)}',", login.Reason);
        }

        return new LoginResult(null, refusal, userName);
    }
}
