using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Sluice.BlackBox;
using Sluice.TestKit.Tls;

namespace Sluice.Client.Tests.Support;

/// <summary>A Sluice server with TLS, whose clients must log in: by the password of guest, or by a token.</summary>
public sealed class SecureBroker : IAsyncLifetime
{
    private const string Secret = "a secret of at least 32 bytes, here 42 of them";

    private readonly TestCertificates _certificates = new();
    private BrokerProcess _broker = null!;

    /// <summary>For clients without TLS.</summary>
    public string Address => $"localhost:{_broker.KafkaPort}";

    /// <summary>For clients with TLS, by the name of the certificate.</summary>
    public string TlsAddress => $"localhost:{TlsPort(_broker)}";

    /// <summary>The certificate of the authority.</summary>
    public string AuthorityFile => _certificates.AuthorityFile;

    public async ValueTask InitializeAsync() => _broker = await StartAsync(_certificates, mustLogIn: true, ("Kafka__AdvertisedHost", "localhost"), ("Security__OAuthBearer__Secret", Secret));

    public async ValueTask DisposeAsync()
    {
        IReadOnlyList<string> errors = _broker.ErrorLines;
        await _broker.DisposeAsync();
        _certificates.Dispose();
        Assert.Empty(errors);
    }

    public static Task<BrokerProcess> StartAsync(TestCertificates certificates, bool mustLogIn, params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string>
        {
            ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0",
            ["Sluice__Kafka__Tls__CertificateFile"] = certificates.CertificateFile,
            ["Sluice__Kafka__Tls__KeyFile"] = certificates.KeyFile,
            ["Sluice__Kafka__Tls__Address"] = "127.0.0.1",
            ["Sluice__Kafka__Tls__Port"] = "0",
        };
        if (mustLogIn)
        {
            all["Sluice__Kafka__AnonymousUser"] = "";
        }

        foreach ((string key, string value) in settings)
        {
            all[$"Sluice__{key}"] = value;
        }

        return BrokerProcess.StartAsync(all);
    }

    public static string TlsPort(BrokerProcess broker) => Regex.Match(broker.Log, "kafkas[^\n]*127\\.0\\.0\\.1:([0-9]+)").Groups[1].Value;

    /// <summary>A token that logs in.</summary>
    public static string Token(string user, int seconds)
    {
        string signed = $"{Part("{\"alg\":\"HS256\"}")}.{Part($$"""{"sub":"{{user}}","exp":{{DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds}}}""")}";
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), Encoding.UTF8.GetBytes(signed)))}";
    }

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
