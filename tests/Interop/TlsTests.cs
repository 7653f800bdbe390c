using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Sluice.BlackBox;
using Sluice.TestKit.Tls;

namespace Sluice.Interop;

/// <summary>AMQP over TLS, and logins by client certificate.</summary>
public sealed class TlsTests : IDisposable
{
    private const string Worker = "CN=worker,O=Example";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TestCertificates _certificates = new();

    public TlsTests() => Assert.SkipWhen(BrokerTarget.IsRabbitMq, "these tests start their own broker");

    public void Dispose() => _certificates.Dispose();

    [Fact]
    public async Task A_self_signed_certificate_serves_clients_that_trust_it_and_nobody_without_TLS()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 selfSigned = new CertificateRequest("CN=broker", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
        string file = _certificates.Write("self-signed.pem", $"{selfSigned.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        await using BrokerProcess broker = await BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Amqp__Tls__CertificateFile"] = file });

        ConnectionFactory factory = Factory(broker);
        factory.Ssl.CertificateValidationCallback = (_, shown, _, _) => shown!.GetRawCertData().AsSpan().SequenceEqual(selfSigned.RawDataMemory.Span);
        await using (IConnection connection = await factory.CreateConnectionAsync())
        {
            byte[] body = RandomNumberGenerator.GetBytes(1 << 20);
            Assert.Equal(body, await SendAndGetAsync(connection, new BasicProperties { Persistent = true }, body));
        }

        using var plain = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await plain.ConnectAsync("127.0.0.1", broker.TlsPort);
        await plain.SendAsync("AMQP\0\0\t\x01"u8.ToArray());
        Assert.DoesNotContain("AMQP", System.Text.Encoding.Latin1.GetString(await ReadToEndAsync(plain)));
        await broker.LoggedAsync("TLS handshake with", "on listener amqps failed");
        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task EXTERNAL_logs_in_the_user_that_a_valid_client_certificate_names_and_nobody_else()
    {
        await using BrokerProcess broker = await StartAsync();
        await SluiceAsync(broker, "user", "add", Worker, "--new-password", "never used");
        await SluiceAsync(broker, "user", "permit", Worker, "--configure", ".*", "--write", ".*", "--read", ".*");

        await using (IConnection connection = await ExternalFactory(broker, _certificates.Issue(Worker)).CreateConnectionAsync())
        {
            // The broker takes no other user-id than that of the login.
            await SendAndGetAsync(connection, new BasicProperties { UserId = Worker }, "mine"u8.ToArray());
        }

        Assert.Contains($"user '{Worker}' logged in to virtual host '/'", broker.Log, StringComparison.Ordinal);
        var nobody = await Assert.ThrowsAsync<BrokerUnreachableException>(() => ExternalFactory(broker, _certificates.Issue("CN=nobody,O=Example")).CreateConnectionAsync());
        Assert.IsType<AuthenticationFailureException>(nobody.InnerException);
        await broker.LoggedAsync("Login of user 'CN=nobody,O=Example'", "there is no user of the certificate's name");
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => ExternalFactory(broker, TestCertificates.IssueByStranger(Worker)).CreateConnectionAsync());
        await broker.LoggedAsync("TLS handshake with", "on listener amqps failed");

        // Without a certificate EXTERNAL is not even offered, but a password is taken.
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => ExternalFactory(broker, certificate: null).CreateConnectionAsync());
        await using IConnection byPassword = await TrustingFactory(broker).CreateConnectionAsync();
        Assert.Single(broker.Log.Split('\n'), line => line.Contains($"user '{Worker}' logged in", StringComparison.Ordinal));
        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task Where_client_certificates_are_required_none_means_no_connection()
    {
        await using BrokerProcess broker = await StartAsync(("Sluice__Amqp__Tls__ClientCertificates", "Required"), ("Sluice__Security__CertificateLogin", "CommonName"));
        await SluiceAsync(broker, "user", "add", "worker", "--new-password", "never used");
        await SluiceAsync(broker, "user", "permit", "worker", "--configure", ".*", "--write", ".*", "--read", ".*");
        await using IConnection connection = await ExternalFactory(broker, _certificates.Issue(Worker)).CreateConnectionAsync();
        await SendAndGetAsync(connection, new BasicProperties { UserId = "worker" }, "mine"u8.ToArray());
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => TrustingFactory(broker).CreateConnectionAsync());
        await broker.LoggedAsync("TLS handshake with", "on listener amqps failed");
        Assert.Empty(broker.ErrorLines);
    }

    private Task<BrokerProcess> StartAsync(params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string>
        {
            ["Sluice__Amqp__Tls__CertificateFile"] = _certificates.CertificateFile,
            ["Sluice__Amqp__Tls__KeyFile"] = _certificates.KeyFile,
            ["Sluice__Amqp__Tls__ClientCertificates"] = "Optional",
            ["Sluice__Amqp__Tls__ClientAuthorityFile"] = _certificates.AuthorityFile,
        };
        foreach ((string key, string value) in settings)
        {
            all[key] = value;
        }

        return BrokerProcess.StartAsync(all);
    }

    private static ConnectionFactory Factory(BrokerProcess broker) => new()
    {
        HostName = "127.0.0.1",
        Port = broker.TlsPort,
        AutomaticRecoveryEnabled = false,
        Ssl = new SslOption("localhost", enabled: true),
    };

    /// <summary>Trusts the test's authority and checks the broker's name, as a client with its certificate store set up does.</summary>
    private ConnectionFactory TrustingFactory(BrokerProcess broker)
    {
        ConnectionFactory factory = Factory(broker);
        factory.Ssl.CertificateValidationCallback = (_, shown, _, errors) =>
        {
            using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { _certificates.Authority } } };
            return !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) && chain.Build((X509Certificate2)shown!);
        };
        return factory;
    }

    private ConnectionFactory ExternalFactory(BrokerProcess broker, X509Certificate2? certificate)
    {
        ConnectionFactory factory = TrustingFactory(broker);
        factory.AuthMechanisms = [new ExternalMechanismFactory()];
        factory.Ssl.Certs = certificate is null ? null : [certificate];
        return factory;
    }

    private static async Task<byte[]> SendAndGetAsync(IConnection connection, BasicProperties properties, byte[] body)
    {
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        string queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.BasicPublishAsync("", queue, mandatory: true, properties, body);
        return (await channel.BasicGetAsync(queue, autoAck: true))!.Body.ToArray();
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        var received = new MemoryStream();
        await using var stream = new NetworkStream(socket);
        try
        {
            await stream.CopyToAsync(received).WaitAsync(Patience);
        }
        catch (IOException)
        {
            // Cut off with our bytes unread: a reset, and as good an end.
        }

        return received.ToArray();
    }

    private static Task SluiceAsync(BrokerProcess broker, params string[] arguments) => ClientProgram.RunAsync(Repository.ServerExecutable, [.. arguments, "--admin-port", $"{broker.AdminPort}"]);
}
