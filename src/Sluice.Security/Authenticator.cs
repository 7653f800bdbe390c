using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Sluice.Security;

/// <summary>Settings of an <see cref="Authenticator"/>.</summary>
public sealed record AuthenticatorOptions
{
    /// <summary>Users refused from other machines; RabbitMQ's loopback_users.</summary>
    public IReadOnlyList<string> LoopbackUsers { get; init; } = ["guest"];

    /// <summary>What of a client certificate is the user's name for EXTERNAL.</summary>
    public CertificateLogin CertificateLogin { get; init; } = CertificateLogin.DistinguishedName;
}

/// <summary>What of a client certificate is the user's name.</summary>
public enum CertificateLogin
{
    /// <summary>The whole subject, e.g. "CN=worker,O=Example" (RabbitMQ's default).</summary>
    DistinguishedName,

    /// <summary>The subject's common name.</summary>
    CommonName,
}

/// <summary>Where an attempt to log in comes from.</summary>
/// <param name="Remote">The peer's address.</param>
/// <param name="Certificate">The validated client certificate; null if none.</param>
public readonly record struct LoginOrigin(IPEndPoint Remote, X509Certificate2? Certificate);

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

    /// <summary>A mechanism that is not offered.</summary>
    UnknownMechanism,
}

/// <param name="User">Null when refused.</param>
/// <param name="Refusal">None when the login succeeded.</param>
/// <param name="UserName">Who tried, as far as known; for the log and the protocol's error.</param>
public readonly record struct LoginResult(User? User, LoginRefusal Refusal, string UserName)
{
    public bool Succeeded => User is not null;
}

/// <summary>Checks who a client is. Logs every refusal with name, address and reason. Thread-safe.</summary>
public sealed class Authenticator
{
    public Authenticator(AccessControl accessControl, AuthenticatorOptions options, ILogger<Authenticator> logger) => throw new NotImplementedException();

    /// <summary>Mechanisms to offer, best first, separated by spaces: EXTERNAL only to a peer that can use it (<paramref name="hasClientCertificate"/>).</summary>
    public string Mechanisms(bool hasClientCertificate) => throw new NotImplementedException();

    /// <summary>SASL PLAIN (RFC 4616): [authzid] NUL authcid NUL password.</summary>
    public ValueTask<LoginResult> LoginPlainAsync(ReadOnlyMemory<byte> response, LoginOrigin origin) => throw new NotImplementedException();

    /// <summary>A name and password that the protocol has decoded (AMQPLAIN's LOGIN and PASSWORD, MQTT, HTTP basic).</summary>
    public ValueTask<LoginResult> LoginPasswordAsync(string userName, ReadOnlyMemory<byte> utf8Password, LoginOrigin origin) => throw new NotImplementedException();

    /// <summary>SASL EXTERNAL: the client certificate says who it is.</summary>
    public ValueTask<LoginResult> LoginExternalAsync(LoginOrigin origin) => throw new NotImplementedException();
}
