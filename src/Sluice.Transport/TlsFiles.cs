using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Transport;

/// <summary>The certificate files of one listener.</summary>
internal sealed class TlsFiles(string listener, TlsOptions options)
{
    /// <summary>A digest of what the files hold; a part for a file that cannot be read, too. It changes when they do.</summary>
    public byte[] Fingerprint()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string? file in (string?[])[options.CertificateFile, options.KeyFile, options.ClientAuthorityFile])
        {
            if (file is not null)
            {
                hash.AppendData(DigestOf(file));
            }
        }

        return hash.GetHashAndReset();
    }

    /// <summary>Reads the files.</summary>
    /// <exception cref="ListenException">A file is missing or not usable.</exception>
    public SslServerAuthenticationOptions Load()
    {
        var loaded = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = LoadCertificate(),
            ClientCertificateRequired = options.ClientCertificates != ClientCertificateMode.None,
            EnabledSslProtocols = options.Tls13Only ? SslProtocols.Tls13 : SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
            RemoteCertificateValidationCallback = (stream, certificate, chain, errors) =>
            {
                string? problem = TlsFailure.OfClientCertificate(certificate, chain, errors, options);
                ((ServerTlsStream)stream).ClientCertificateProblem = problem;
                return problem is null;
            },
        };
        if (options.ClientAuthorityFile is { } file)
        {
            loaded.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                // A client's certificate must not make the broker call addresses named in it.
                DisableCertificateDownloads = true,
            };
            loaded.CertificateChainPolicy.CustomTrustStore.AddRange(LoadAuthorities(file));
        }

        return loaded;
    }

    private static byte[] DigestOf(string file)
    {
        try
        {
            return SHA256.HashData(File.ReadAllBytes(file));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [0];
        }
    }

    private SslStreamCertificateContext LoadCertificate()
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
            string with = options.KeyFile is null ? "" : $" with the key '{options.KeyFile}' ({options.SettingOf(nameof(options.KeyFile))})";
            throw new ListenException(
                $"Listener '{listener}' cannot use the certificate '{options.CertificateFile}' ({options.SettingOf(nameof(options.CertificateFile))}){with}: {Words(error)}",
                error);
        }
    }

    /// <summary>What is wrong with a file, in words that say which where the library's do not.</summary>
    private string Words(Exception error) => error switch
    {
        FileNotFoundException { FileName: { } missing } => $"there is no file '{missing}'.",
        DirectoryNotFoundException => "there is no such directory.",
        UnauthorizedAccessException => "it may not be read by the user that the broker runs as.",
        CryptographicException when options.Password is not null => $"{error.Message.TrimEnd('.')}. Is the password ({options.SettingOf(nameof(options.Password))}) right?",
        _ => error.Message,
    };

    private X509Certificate2Collection LoadAuthorities(string file)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ListenException($"Listener '{listener}' cannot read the client authorities '{file}' ({options.SettingOf(nameof(options.ClientAuthorityFile))}): {Words(error)}", error);
        }

        return authorities.Count > 0
            ? authorities
            : throw new ListenException($"Listener '{listener}': the client authorities file '{file}' ({options.SettingOf(nameof(options.ClientAuthorityFile))}) holds no certificate in PEM form.");
    }
}
