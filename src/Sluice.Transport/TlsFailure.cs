using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Transport;

/// <summary>Says in words why a client and the broker have not come to speak TLS, and what is to be done; the libraries' own words are for those who know them.</summary>
internal static class TlsFailure
{
    // How OpenSSL numbers what goes wrong: the library in the upper bits, the reason in the lower; what the peer has said (RFC 8446, section 6.2) comes after a thousand.
    private const int OpenSslLibraryShift = 23, OpenSslReasonMask = 0x7F_FFFF, SslLibrary = 20, AlertsFrom = 1000;
    private const int UnsupportedProtocol = 258, VersionTooLow = 396, NoSharedCipher = 193, NoSharedSignature = 118, NoSharedGroup = 101;

    private const string Acceptance = "it must trust the authority that has signed it, and the certificate must have the name or address at which the client connects (subject alternative names)";

    /// <summary>A client that does not begin with TLS.</summary>
    public static string OfPlainClient(ReadOnlySpan<byte> firstBytes) =>
        $"the client does not speak TLS{(FirstBytes.Protocol(firstBytes) is { } other ? $", but {other}" : "")}: switch TLS on in the client, or have it connect to the port without TLS";

    /// <summary>A handshake that has failed.</summary>
    /// <param name="error">What has ended it.</param>
    /// <param name="clientCertificate">What was wrong with the client's certificate; null: nothing, or it did not get that far.</param>
    /// <param name="options">In force.</param>
    public static string Of(Exception error, string? clientCertificate, TlsOptions options)
    {
        if (clientCertificate is not null)
        {
            return clientCertificate;
        }

        Exception cause = error.GetBaseException();
        if (Reason(cause) is not { } reason)
        {
            return error is IOException && cause is not AuthenticationException
                ? "the client closed the connection in the middle of it, as clients do that do not accept the broker's certificate"
                : cause.Message.TrimEnd('.');
        }

        return Words(reason, options) ?? cause.Message.TrimEnd('.');
    }

    /// <summary>
    /// A client that has gone as soon as the handshake was over. Some look at the broker's certificate only then, and most of those leave without saying that they do not like it.
    /// </summary>
    /// <param name="error">What it has ended the connection with; null: nothing.</param>
    /// <param name="options">In force.</param>
    public static string OfClientGone(IOException? error, TlsOptions options) =>
        (error is not null && Reason(error.GetBaseException()) is { } reason ? Words(reason, options) : null) ?? $"perhaps the client does not accept the broker's certificate: {Acceptance}";

    private static string? Words(int reason, TlsOptions options)
    {
        string versions = options.Tls13Only ? $"TLS 1.3 only ({options.SettingOf(nameof(options.Tls13Only))})" : "TLS 1.2 and 1.3";
        return reason switch
        {
            UnsupportedProtocol or VersionTooLow or AlertsFrom + 70 => $"client and broker have no version of TLS in common: the broker speaks {versions}",
            NoSharedCipher or NoSharedSignature or NoSharedGroup or AlertsFrom + 40 or AlertsFrom + 71 => $"client and broker have no cipher or signature in common: the broker speaks {versions}, with the kind of key that its certificate has",
            AlertsFrom + 48 => "the client does not trust the broker's certificate, since it does not know the authority that has signed it: put that authority's certificate into the client's trust store",
            AlertsFrom + 45 => "the client holds the broker's certificate for expired: renew it, or set the client's clock",
            AlertsFrom + 44 => "the client holds the broker's certificate for revoked: use another",
            AlertsFrom + 42 or AlertsFrom + 43 or AlertsFrom + 46 =>
                $"the client does not accept the broker's certificate: {Acceptance}",
            AlertsFrom + 112 => "the client asks for a name that the broker does not have",
            _ => null,
        };
    }

    /// <summary>What is wrong with the certificate that a client shows, or does not; null: nothing.</summary>
    public static string? OfClientCertificate(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, TlsOptions options)
    {
        if (certificate is null)
        {
            return options.ClientCertificates != ClientCertificateMode.Required ? null
                : $"the client shows no certificate, and it must ({options.SettingOf(nameof(options.ClientCertificates))} is Required): give it one of an authority that the broker trusts";
        }

        if (errors == SslPolicyErrors.None)
        {
            return null;
        }

        string[] problems = [.. (chain?.ChainStatus ?? []).Select(static status => status.StatusInformation.Trim().TrimEnd('.')).Where(static text => text.Length > 0).Distinct(StringComparer.Ordinal)];
        string trusted = options.ClientAuthorityFile is { } file ? $"those of '{file}' ({options.SettingOf(nameof(options.ClientAuthorityFile))})" : "those that this machine trusts";
        return $"the client's certificate '{certificate.Subject}' is not accepted ({(problems.Length > 0 ? string.Join("; ", problems) : errors.ToString())}): it must be valid and signed by an authority, {trusted}";
    }

    private static int? Reason(Exception cause) => cause is CryptographicException && (cause.HResult >> OpenSslLibraryShift) == SslLibrary ? cause.HResult & OpenSslReasonMask : null;
}
