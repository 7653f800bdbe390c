using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Transport;

/// <summary>The server side of TLS on one listener: its certificate, and what it asks of clients.</summary>
internal sealed class TlsServer
{
    private readonly SslServerAuthenticationOptions _options;

    /// <exception cref="ListenException">A certificate file is missing or not usable.</exception>
    public TlsServer(string listener, TlsOptions options)
    {
        _options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = LoadCertificate(listener, options),
            ClientCertificateRequired = options.ClientCertificates != ClientCertificateMode.None,
            EnabledSslProtocols = options.Tls13Only ? SslProtocols.Tls13 : SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
            RemoteCertificateValidationCallback = (_, certificate, _, errors) => certificate is null
                ? options.ClientCertificates != ClientCertificateMode.Required
                : errors == SslPolicyErrors.None,
        };
        if (options.ClientAuthorityFile is { } file)
        {
            _options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                // A client's certificate must not make the broker call addresses named in it.
                DisableCertificateDownloads = true,
            };
            _options.CertificateChainPolicy.CustomTrustStore.AddRange(LoadAuthorities(listener, file));
        }
    }

    /// <summary>Shakes hands. The stream returned owns <paramref name="stream"/>.</summary>
    /// <exception cref="AuthenticationException">The client speaks no TLS that is allowed, or has no valid certificate.</exception>
    public async Task<(SslStream Stream, TlsConnectionInfo Info)> AuthenticateAsync(Stream stream, CancellationToken cancellation)
    {
        var ssl = new SslStream(stream);
        try
        {
            await ssl.AuthenticateAsServerAsync(_options, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        X509Certificate2? certificate = ssl.RemoteCertificate switch
        {
            null => null,
            X509Certificate2 full => full,
            var other => X509CertificateLoader.LoadCertificate(other.GetRawCertData()),
        };
        return (ssl, new TlsConnectionInfo(ssl.SslProtocol, ssl.NegotiatedCipherSuite, certificate));
    }

    private static SslStreamCertificateContext LoadCertificate(string listener, TlsOptions options)
    {
        try
        {
            var chain = new X509Certificate2Collection();
            X509Certificate2? leaf;
            if (Path.GetExtension(options.CertificateFile).ToUpperInvariant() is ".PFX" or ".P12")
            {
                chain.AddRange(X509CertificateLoader.LoadPkcs12CollectionFromFile(options.CertificateFile, options.Password));
                leaf = chain.FirstOrDefault(certificate => certificate.HasPrivateKey);
            }
            else
            {
                string key = options.KeyFile ?? options.CertificateFile;
                leaf = options.Password is null
                    ? X509Certificate2.CreateFromPemFile(options.CertificateFile, key)
                    : X509Certificate2.CreateFromEncryptedPemFile(options.CertificateFile, options.Password, key);
                chain.ImportFromPemFile(options.CertificateFile);
            }

            return leaf is null
                ? throw new CryptographicException("it holds no private key")
                : SslStreamCertificateContext.Create(leaf, chain, offline: true);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ListenException(
                $"Listener '{listener}' cannot use the certificate '{options.CertificateFile}'{(options.KeyFile is null ? "" : $" with the key '{options.KeyFile}'")}: {error.Message}",
                error);
        }
    }

    private static X509Certificate2Collection LoadAuthorities(string listener, string file)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ListenException($"Listener '{listener}' cannot read the client authorities '{file}': {error.Message}", error);
        }

        return authorities.Count > 0
            ? authorities
            : throw new ListenException($"Listener '{listener}': the client authorities file '{file}' holds no certificate.");
    }
}
