using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Transport;

/// <summary>What the TLS handshake agreed on.</summary>
/// <param name="Protocol">TLS 1.2 or 1.3.</param>
/// <param name="CipherSuite">The suite negotiated.</param>
/// <param name="ClientCertificate">The peer's certificate, validated against the configured authorities; null if it sent none.</param>
public sealed record TlsConnectionInfo(SslProtocols Protocol, TlsCipherSuite CipherSuite, X509Certificate2? ClientCertificate);
