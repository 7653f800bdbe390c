using System.Security.Cryptography.X509Certificates;

namespace Sluice.Hosting;

/// <summary>
/// Looks at the certificate of a listener for Kafka clients, who connect twice: to the server that they know, and to where the broker then says it is. They check the
/// certificate's names against both.
/// </summary>
internal static class CertificateRemark
{
    /// <summary>What is to be said to the operator; null: nothing.</summary>
    /// <param name="certificate">The listener's.</param>
    /// <param name="advertisedHost">What clients are told; empty: the address at which each has reached the broker.</param>
    /// <param name="setting">What names the host.</param>
    public static string? Of(X509Certificate2 certificate, string advertisedHost, string setting)
    {
        if (advertisedHost.Length > 0)
        {
            return certificate.MatchesHostname(advertisedHost) ? null
                : $"the certificate '{certificate.Subject}' is not for '{advertisedHost}' ({setting}), which is where clients are told to connect: those that check names will not. It is for {Names(certificate)}";
        }

        bool hasAddress = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().Any(static names => names.EnumerateIPAddresses().Any());
        return hasAddress ? null
            : $"{setting} is empty, so clients are told to connect to the IP address at which they have reached the broker, and the certificate '{certificate.Subject}' has no IP address: those that check names will not. Set {setting} to a name that it has: {Names(certificate)}";
    }

    private static string Names(X509Certificate2 certificate)
    {
        X509SubjectAlternativeNameExtension[] extensions = [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()];
        string[] names = [.. extensions.SelectMany(static names => names.EnumerateDnsNames()), .. extensions.SelectMany(static names => names.EnumerateIPAddresses()).Select(static address => address.ToString())];
        return names.Length > 0 ? string.Join(", ", names.Select(static name => $"'{name}'")) : "no name (subject alternative names) at all";
    }
}
