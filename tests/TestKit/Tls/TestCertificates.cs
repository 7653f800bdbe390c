using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.TestKit.Tls;

/// <summary>An authority and certificates made for one test, in files as an operator would have them.</summary>
public sealed class TestCertificates : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sluice-tls-");
    private readonly X509Certificate2 _authority;

    public TestCertificates()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Test authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        AuthorityFile = Write("authority.pem", _authority.ExportCertificatePem());
        using X509Certificate2 server = Issue("CN=localhost");
        CertificateFile = Write("server.pem", server.ExportCertificatePem());
        KeyFile = Write("server.key", server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        PfxFile = Path.Combine(_directory.FullName, "server.pfx");
        File.WriteAllBytes(PfxFile, server.Export(X509ContentType.Pfx, "secret"));
    }

    public string AuthorityFile { get; }

    public string CertificateFile { get; }

    public string KeyFile { get; }

    public string PfxFile { get; }

    public X509Certificate2 Authority => _authority;

    public string Write(string name, string text)
    {
        string path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>A certificate of the authority, with its key.</summary>
    public X509Certificate2 Issue(string subject) => Issue(subject, _authority);

    /// <summary>Puts a new certificate, with a new key, in place of the server's.</summary>
    public void Renew(string subject)
    {
        using X509Certificate2 server = Issue(subject);
        Write("server.pem", server.ExportCertificatePem());
        Write("server.key", server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    public static X509Certificate2 IssueByStranger(string subject)
    {
        using var stranger = new TestCertificates();
        return stranger.Issue(subject);
    }

    public void Dispose()
    {
        _authority.Dispose();
        _directory.Delete(recursive: true);
    }

    private static X509Certificate2 Issue(string subject, X509Certificate2 issuer)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(issuer, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null);
    }
}
