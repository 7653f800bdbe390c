using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Hosting.Tests;

/// <summary>Whether the operator is told that Kafka clients will not accept a certificate.</summary>
public sealed class CertificateRemarkTests
{
    [Theory]
    [InlineData("broker.example.org", "", "", "Kafka:AdvertisedHost is empty, so clients are told to connect to the IP address")]
    [InlineData("broker.example.org", "", "", "Set Kafka:AdvertisedHost to a name that it has: 'broker.example.org'")]
    [InlineData("", "", "", "no name (subject alternative names) at all")]
    [InlineData("broker.example.org", "10.0.0.7", "", null)]
    [InlineData("broker.example.org", "", "broker.example.org", null)]
    [InlineData("*.example.org", "", "broker.example.org", null)]
    [InlineData("", "10.0.0.7", "10.0.0.7", null)]
    [InlineData("other.example.org", "", "broker.example.org", "is not for 'broker.example.org' (Kafka:AdvertisedHost)")]
    [InlineData("broker.example.org", "", "10.0.0.7", "is not for '10.0.0.7'")]
    public void A_certificate_without_what_clients_connect_to_is_remarked(string name, string address, string advertisedHost, string? remark)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=broker", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (name.Length > 0)
        {
            names.AddDnsName(name);
        }

        if (address.Length > 0)
        {
            names.AddIpAddress(IPAddress.Parse(address));
        }

        if (name.Length + address.Length > 0)
        {
            request.CertificateExtensions.Add(names.Build());
        }

        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(1));
        string? said = CertificateRemark.Of(certificate, advertisedHost, "Kafka:AdvertisedHost");
        if (remark is null)
        {
            Assert.Null(said);
        }
        else
        {
            Assert.Contains(remark, said, StringComparison.Ordinal);
        }
    }
}
