using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Telemetry;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Security;
using Sluice.Security.Sasl;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>
/// Who a client is: the user it has logged in as by SASL, or the configured one for those that do not. A login may be good for a limited time only; the client
/// repeats it on the open connection then (KIP-368).
/// </summary>
internal sealed class SaslLogin(KafkaConnection connection)
{
    private const string Plain = "PLAIN";

    /// <summary>How often a client may begin to log in again.</summary>
    private static readonly TimeSpan s_reauthenticationInterval = TimeSpan.FromSeconds(1);

    // The login under way, and its mechanism.
    private SaslExchange? _exchange;
    private string _mechanism = "";

    // The login that has succeeded: as whom, by which mechanism, since when and for how long; null: as long as the connection.
    private string? _user;
    private string _userMechanism = "";
    private long _since;
    private TimeSpan? _lifetime;
    private long? _reauthenticationBegan;

    private bool _hasBegun;
    private bool _isRefused;
    private bool _isLogged;

    public string UserName => connection.Access?.User ?? "";

    /// <summary>By which the client has logged in; null if it has not.</summary>
    public string? Mechanism => _user is null ? null : _userMechanism;

    /// <summary>A login has begun and not ended.</summary>
    public bool IsUnderWay => _exchange is not null;

    /// <summary>Mechanisms offered.</summary>
    public IReadOnlyList<string> Mechanisms => Server.Authenticator.ExchangeMechanisms;

    /// <summary>Whether the time of the login is over: nothing but another one is heard of the client.</summary>
    public bool IsExpired => _lifetime is { } lifetime && Server.Clock.GetElapsedTime(_since) > lifetime;

    private KafkaServer Server => connection.Server;

    /// <summary>Whether the client may ask for more than a login. One that has not begun any is admitted as the user configured for such, if there is one.</summary>
    public bool IsAdmitted()
    {
        if (connection.Access is null && !_hasBegun)
        {
            EnterAnonymously();
        }

        return connection.Access is not null && _exchange is null;
    }

    /// <summary>Why a client that <see cref="IsAdmitted"/> does not admit goes no further; one that does not log in is counted.</summary>
    /// <param name="api">What it has asked for.</param>
    public ConnectionRefusedException Refusal(string api)
    {
        if (_isRefused)
        {
            return new ConnectionRefusedException("it does not log in, and those that don't may not come from where it does", isLogged: true);
        }

        if (_hasBegun)
        {
            return new ConnectionRefusedException($"it asks for {api} in the middle of a login");
        }

        Server.Authenticator.CountWithoutLogin();
        return new ConnectionRefusedException($"it asks for {api} without a login, and clients must log in (Kafka:AnonymousUser is empty): give it a user and a password (security.protocol SASL_PLAINTEXT or SASL_SSL)");
    }

    /// <summary>Tells the operator who the client is, once it is known.</summary>
    /// <param name="clientId">What it calls itself; null: nothing.</param>
    public void LogBegin(string? clientId)
    {
        if (_isLogged || connection.Access is not { } access)
        {
            return;
        }

        _isLogged = true;
        (string software, string version) = connection.ClientSoftware;
        Server.Logger.LogInformation(
            "Connection {Connection}: user '{User}' {Login} virtual host '{VirtualHost}'{Client}{Software}",
            connection.Client.Name,
            access.User,
            _user is null ? "is admitted without a login (Kafka:AnonymousUser) to" : $"logged in by {_userMechanism} to",
            Server.Options.VirtualHost,
            string.IsNullOrEmpty(clientId) ? "" : $", client '{TelemetryClient.Cut(clientId)}'",
            connection.ClientSoftware == KafkaConnection.UnknownSoftware ? "" : $", software {software} {version}");
    }

    /// <summary>Tells the operator of the end, as of the beginning.</summary>
    public void LogEnd(string reason) => Server.Logger.Log(
        _isLogged ? LogLevel.Information : LogLevel.Debug,
        "Connection {Connection}, user '{User}' closed: {Reason}",
        connection.Client.Name,
        UserName,
        reason);

    /// <summary>A client that need not log in has nothing more to introduce itself by: it may keep the connection although it asks for nothing yet.</summary>
    public void EndHandshakeIfFree()
    {
        string user = Server.Options.AnonymousUser;
        if (connection.Access is null && !_hasBegun && user.Length > 0 && Server.Authenticator.WouldAdmitTrusted(user, Origin()))
        {
            EnterAnonymously();
        }
    }

    /// <summary>Begins a login by the mechanism. Who is logged in for as long as the connection does not do it again.</summary>
    public KafkaErrorCode Choose(string mechanism)
    {
        if (_user is not null)
        {
            if (_lifetime is null || (_reauthenticationBegan is { } began && Server.Clock.GetElapsedTime(began) < s_reauthenticationInterval))
            {
                return KafkaErrorCode.IllegalSaslState;
            }

            _reauthenticationBegan = Server.Clock.GetTimestamp();
        }

        if (Server.Authenticator.Begin(mechanism, Origin()) is not { } exchange)
        {
            return KafkaErrorCode.UnsupportedSaslMechanism;
        }

        if (_user is null)
        {
            // What was allowed without a login ends with it. Who logs in again keeps what it has until then, as its requests may be under way.
            connection.Access = null;
            _isLogged = false;
        }

        (_exchange, _mechanism, _hasBegun) = (exchange, mechanism, true);
        return KafkaErrorCode.None;
    }

    /// <summary>Takes the client's next message.</summary>
    public async ValueTask<SaslAuthenticateResponse> AuthenticateAsync(ReadOnlyMemory<byte> message)
    {
        if (_exchange is not { } exchange)
        {
            return Refused(KafkaErrorCode.IllegalSaslState, _user is null ? "SaslAuthenticate request received without a SaslHandshake before it" : "SaslAuthenticate request received after successful authentication");
        }

        if (message.Length > SaslExchange.MessageBytesMax)
        {
            throw new KafkaParseException($"a SASL message of {message.Length} bytes; at most {SaslExchange.MessageBytesMax} are allowed");
        }

        if (_user is not null && _mechanism != _userMechanism)
        {
            Server.Authenticator.Refuse(LoginRefusal.Unsupported, _user, Origin(), $"it repeats its login by {_mechanism}, and has logged in by {_userMechanism}");
            return Refused(KafkaErrorCode.SaslAuthenticationFailed, $"SASL mechanism '{_mechanism}' requested by client is not supported for re-authentication of mechanism '{_userMechanism}'");
        }

        SaslStep step = await exchange.NextAsync(message, connection.Client.Closed).ConfigureAwait(false);
        if (step.Login is not { } login)
        {
            return new SaslAuthenticateResponse { AuthBytes = step.Challenge };
        }

        _exchange = null;
        if (login.User is not { } user)
        {
            return Refused(KafkaErrorCode.SaslAuthenticationFailed, ReasonFor(login.Refusal));
        }

        if (_user is not null && _user != user.Name)
        {
            Server.Authenticator.Refuse(LoginRefusal.BadCredentials, user.Name, Origin(), $"the connection is that of user '{_user}', who alone can repeat the login");
            return Refused(KafkaErrorCode.SaslAuthenticationFailed, $"Cannot change principals during re-authentication from User.{_user}: User.{user.Name}");
        }

        if (_user is null)
        {
            Enter(user);
        }

        (_userMechanism, _user) = (_mechanism, user.Name);
        return new SaslAuthenticateResponse { AuthBytes = step.Challenge, SessionLifetimeMs = BeginSession(step.ExpiresAt) };
    }

    /// <summary>The session is as long as the setting says, and not longer than what the client has shown is good; returns its length in ms, 0 if it has none.</summary>
    private long BeginSession(DateTimeOffset? expiresAt)
    {
        _since = Server.Clock.GetTimestamp();
        TimeSpan? lifetime = Server.Options.ReauthenticationMaxMs > 0 ? TimeSpan.FromMilliseconds(Server.Options.ReauthenticationMaxMs) : null;
        if (expiresAt is { } end)
        {
            TimeSpan left = end - Server.Clock.GetUtcNow();
            left = left > TimeSpan.Zero ? left : TimeSpan.Zero;
            lifetime = lifetime < left ? lifetime : left;
        }

        _lifetime = lifetime;
        return (long)(lifetime?.TotalMilliseconds ?? 0);
    }

    private string ReasonFor(LoginRefusal refusal) =>
        refusal == LoginRefusal.Unsupported ? "Authentication failed: delegation tokens and channel binding are not served"
        : _mechanism == Plain ? "Authentication failed: Invalid username or password"
        : $"Authentication failed during {(_user is null ? "authentication" : "re-authentication")} due to invalid credentials with SASL mechanism {_mechanism}";

    private static SaslAuthenticateResponse Refused(KafkaErrorCode error, string reason) => new() { ErrorCode = error, ErrorMessage = reason };

    private void EnterAnonymously()
    {
        string user = Server.Options.AnonymousUser;
        if (user.Length == 0)
        {
            return;
        }

        if (Server.Authenticator.LoginTrusted(user, Origin(), "Kafka:AnonymousUser").User is { } known)
        {
            Enter(known);
        }
        else
        {
            _isRefused = true;
        }
    }

    private LoginOrigin Origin() => new(connection.Client.RemoteEndPoint, connection.Client.Tls?.ClientCertificate, connection.ClientName);

    private void Enter(User user)
    {
        IPAddress address = connection.Client.RemoteEndPoint.Address;
        connection.Access = new ClientAccess(Server.Acls, Server.AccessControl.AccessOf(user.Name, Server.Options.VirtualHost), (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString());
        connection.Client.HandshakeCompleted();
    }
}
