using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Base.Logging;
using Sluice.Security;
using Sluice.Security.Tests;
using Sluice.TestKit.Time;
using Sluice.TestKit.Tls;

namespace Sluice.Transport.Tests;

public sealed class TlsTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TestCertificates _certificates = new();
    private readonly RecordingLogger<TransportServer> _log = new();
    private readonly TransportServer _server;

    public TlsTests() => _server = new TransportServer(new TransportOptions(), TimeProvider.System, _log);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _certificates.Dispose();
        Assert.Equal(0, _server.Pool.RentedBlocks);
        Assert.DoesNotContain(_log.Lines, line => line.Level >= LogLevel.Error);
    }

    private TlsOptions PemOptions => new() { CertificateFile = _certificates.CertificateFile, KeyFile = _certificates.KeyFile };

    private IPEndPoint Listen(TlsOptions tls, Func<ClientConnection, CancellationToken, Task>? serve = null, TransportServer? server = null) => (server ?? _server).Listen(
        new ListenerOptions { Name = "tls", EndPoint = new IPEndPoint(IPAddress.Loopback, 0), Tls = tls },
        new TestHandler(serve ?? TestHandler.EchoAsync));

    private async Task<SslStream> ConnectAsync(IPEndPoint endPoint, X509Certificate2? certificate = null, SslProtocols protocols = SslProtocols.None, string name = "localhost")
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = name,
                EnabledSslProtocols = protocols,
                ClientCertificates = certificate is null ? null : [certificate],
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                    CustomTrustStore = { _certificates.Authority },
                },
            }).WaitAsync(Patience);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes the warnings that there are.</summary>
    private string[] Warnings()
    {
        string[] warnings = [.. _log.Lines.Where(static line => line.Level >= LogLevel.Warning).Select(static line => line.Text)];
        _log.Lines.Clear();
        return warnings;
    }

    /// <summary>With TLS 1.3 the client learns only at its first read that its certificate was not liked.</summary>
    private static async Task<bool> EchoesAsync(SslStream stream)
    {
        try
        {
            byte[] sent = Encoding.ASCII.GetBytes("hello over TLS");
            byte[] received = new byte[sent.Length];
            await stream.WriteAsync(sent);
            await stream.ReadExactlyAsync(received).AsTask().WaitAsync(Patience);
            return received.SequenceEqual(sent);
        }
        catch (Exception error) when (error is IOException or AuthenticationException)
        {
            return false;
        }
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task A_PEM_certificate_serves_TLS_1_2_and_1_3(SslProtocols protocol)
    {
        await using SslStream client = await ConnectAsync(Listen(PemOptions), protocols: protocol);
        Assert.True(await EchoesAsync(client));
        Assert.Equal(protocol, _server.Connections.Single().Tls!.Protocol);
    }

    [Fact]
    public async Task A_PFX_file_with_password_serves()
    {
        await using SslStream client = await ConnectAsync(Listen(new TlsOptions { CertificateFile = _certificates.PfxFile, Password = "secret" }));
        Assert.True(await EchoesAsync(client));
    }

    [Fact]
    public async Task Megabytes_pass_both_ways_and_last_words_arrive_with_a_close()
    {
        await using SslStream client = await ConnectAsync(Listen(PemOptions, async (connection, stopping) =>
        {
            await TestHandler.EchoAsync(connection, stopping);
            TestHandler.Say(connection, "bye"u8);
        }));
        byte[] sent = new byte[5 << 20];
        new Random(2).NextBytes(sent);
        byte[] received = new byte[sent.Length];
        Task sending = client.WriteAsync(sent).AsTask();
        await client.ReadExactlyAsync(received);
        await sending;
        Assert.True(received.AsSpan().SequenceEqual(sent));
        await client.ShutdownAsync();
        byte[] rest = new byte[10];
        int count = await client.ReadAtLeastAsync(rest, rest.Length, throwOnEndOfStream: false).AsTask().WaitAsync(Patience);
        Assert.Equal("bye", Encoding.ASCII.GetString(rest, 0, count));
    }

    [Fact]
    public async Task Tls_1_2_can_be_refused()
    {
        IPEndPoint endPoint = Listen(PemOptions with { Tls13Only = true, Section = "Amqp:Tls" });
        await Assert.ThrowsAnyAsync<Exception>(async () => await ConnectAsync(endPoint, protocols: SslProtocols.Tls12));
        await Poll.UntilAsync(() => _log.Has(LogLevel.Warning, "failed: client and broker have no version of TLS in common: the broker speaks TLS 1.3 only (Amqp:Tls:Tls13Only)"), "the log line");
        await using SslStream client = await ConnectAsync(endPoint);
        Assert.True(await EchoesAsync(client));
    }

    [Theory]
    [InlineData(ClientCertificateMode.Optional, "none", true)]
    [InlineData(ClientCertificateMode.Optional, "good", true)]
    [InlineData(ClientCertificateMode.Optional, "strange", false)]
    [InlineData(ClientCertificateMode.Required, "none", false)]
    [InlineData(ClientCertificateMode.Required, "good", true)]
    [InlineData(ClientCertificateMode.Required, "strange", false)]
    [InlineData(ClientCertificateMode.None, "strange", true)]
    public async Task Client_certificates_are_asked_for_and_checked(ClientCertificateMode mode, string shown, bool expected)
    {
        IPEndPoint endPoint = Listen(PemOptions with { ClientCertificates = mode, ClientAuthorityFile = _certificates.AuthorityFile, Section = "Kafka:Tls" });
        using X509Certificate2? certificate = shown switch
        {
            "good" => _certificates.Issue("CN=worker"),
            "strange" => TestCertificates.IssueByStranger("CN=worker"),
            _ => null,
        };
        bool works;
        try
        {
            await using SslStream client = await ConnectAsync(endPoint, certificate);
            works = await EchoesAsync(client);
            if (works)
            {
                Assert.Equal(mode == ClientCertificateMode.None || shown == "none" ? null : "CN=worker", _server.Connections.Single().Tls!.ClientCertificate?.Subject);
            }
        }
        catch (Exception error) when (error is IOException or AuthenticationException)
        {
            works = false;
        }

        Assert.Equal(expected, works);
        if (!expected)
        {
            string reason = shown == "none"
                ? "failed: the client shows no certificate, and it must (Kafka:Tls:ClientCertificates is Required)"
                : "failed: the client's certificate 'CN=worker' is not accepted (";
            await Poll.UntilAsync(() => _log.Has(LogLevel.Warning, reason), "the log line");
        }
    }

    [Fact]
    public async Task EXTERNAL_logs_in_by_the_certificate_of_the_connection()
    {
        var control = new AccessControl(new MemorySecurityStore(), NullLogger<AccessControl>.Instance);
        await control.PutUserAsync(new User("CN=worker,O=Example", null, [], default));
        var authenticator = new Authenticator(control, new AuthenticatorOptions(), TimeProvider.System, NullLogger<Authenticator>.Instance);
        IPEndPoint endPoint = Listen(
            PemOptions with { ClientCertificates = ClientCertificateMode.Required, ClientAuthorityFile = _certificates.AuthorityFile },
            async (connection, stopping) =>
            {
                LoginResult login = authenticator.LoginExternal(new LoginOrigin(connection.RemoteEndPoint, connection.Tls!.ClientCertificate));
                TestHandler.Say(connection, Encoding.ASCII.GetBytes(login.User?.Name ?? login.Refusal.ToString()));
                await connection.Input.ReadAsync(stopping);
            });
        using X509Certificate2 known = _certificates.Issue("CN=worker, O=Example");
        using X509Certificate2 unknown = _certificates.Issue("CN=other, O=Example");
        Assert.Equal("CN=worker,O=Example", await ReadLineAsync(known));
        Assert.Equal("BadCredentials", await ReadLineAsync(unknown));

        async Task<string> ReadLineAsync(X509Certificate2 certificate)
        {
            await using SslStream client = await ConnectAsync(endPoint, certificate);
            byte[] buffer = new byte[100];
            return Encoding.ASCII.GetString(buffer, 0, await client.ReadAsync(buffer).AsTask().WaitAsync(Patience));
        }
    }

    [Fact]
    public async Task A_peer_that_does_not_speak_TLS_or_says_nothing_is_cut_and_logged()
    {
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.FromMilliseconds(100) }, TimeProvider.System, _log);
        IPEndPoint endPoint = Listen(PemOptions, server: server);
        foreach (byte[] words in new[] { "AMQP\0\0\x09\x01"u8.ToArray(), [] })
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint);
            await socket.SendAsync(words);
            using var timeout = new CancellationTokenSource(Patience);
            try
            {
                while (await socket.ReceiveAsync(new byte[100], timeout.Token) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // A reset is as good an end as any.
            }
        }

        await Poll.UntilAsync(() => _log.Lines.Count(line => line.Level == LogLevel.Warning) == 2, "two log lines");
        Assert.True(_log.Has(LogLevel.Warning, "not completed within 0.1 s"));
        Assert.True(_log.Has(LogLevel.Warning, "failed: the client does not speak TLS, but AMQP 0-9-1: switch TLS on in the client, or have it connect to the port without TLS"));
    }

    [Fact]
    public async Task Handshakes_that_fail_again_and_again_are_told_of_once_a_minute()
    {
        var clock = new ManualTimeProvider();
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.Zero }, clock, _log);
        IPEndPoint endPoint = Listen(PemOptions, server: server);
        for (int i = 0; i < 5; i++)
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint);
            await socket.SendAsync("GET / HTTP/1.1\r\n"u8.ToArray());
            using var timeout = new CancellationTokenSource(Patience);
            try
            {
                while (await socket.ReceiveAsync(new byte[100], timeout.Token) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // A reset is as good an end as any.
            }
        }

        await Poll.UntilAsync(() => server.ConnectionCount == 0, "the connections to end");
        const string Reason = "the client does not speak TLS, but HTTP: switch TLS on in the client, or have it connect to the port without TLS";
        Assert.EndsWith($"on listener tls failed: {Reason}", Assert.Single(Warnings()), StringComparison.Ordinal);
        clock.Advance(RefusalLog.Period);
        Assert.Equal($"Client 127.0.0.1 on port {endPoint.Port}: TLS handshake failed 4 more times within a minute: {Reason}", Assert.Single(Warnings()));
    }

    // A client of .NET looks at the certificate only when the handshake is over, and goes without an alert.
    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task A_client_that_goes_after_the_handshake_since_it_does_not_like_the_name_is_told_of(SslProtocols protocol)
    {
        var clock = new ManualTimeProvider();
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.Zero }, clock, _log);
        IPEndPoint endPoint = Listen(PemOptions, server: server);
        for (int i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<AuthenticationException>(() => ConnectAsync(endPoint, protocols: protocol, name: "elsewhere"));
        }

        await Poll.UntilAsync(() => server.ConnectionCount == 0, "the connections to end");
        const string Reason = "perhaps the client does not accept the broker's certificate: it must trust the authority that has signed it, and the certificate must have the name or address at which the client connects (subject alternative names)";
        Assert.EndsWith($"has gone after the TLS handshake on listener tls without a word: {Reason}", Assert.Single(Warnings()), StringComparison.Ordinal);
        clock.Advance(RefusalLog.Period);
        Assert.Equal($"Client 127.0.0.1 on port {endPoint.Port}: gone after the TLS handshake 2 more times within a minute: {Reason}", Assert.Single(Warnings()));
    }

    [Fact]
    public async Task A_client_that_has_said_something_or_that_the_broker_leaves_is_not_warned_of()
    {
        IPEndPoint talking = Listen(PemOptions);
        await using (SslStream client = await ConnectAsync(talking))
        {
            Assert.True(await EchoesAsync(client));
        }

        IPEndPoint leaving = Listen(PemOptions, static (_, _) => Task.CompletedTask);
        await using (SslStream client = await ConnectAsync(leaving))
        {
            Assert.Equal(0, await client.ReadAsync(new byte[1]).AsTask().WaitAsync(Patience));
        }

        await Poll.UntilAsync(() => _server.ConnectionCount == 0, "the connections to end");
        Assert.Empty(Warnings());
    }

    // What OpenSSL makes of the alerts of clients (RFC 8446, section 6.2), and of what it finds itself.
    [Theory]
    [InlineData(0x0A00_0418, "the client does not trust the broker's certificate, since it does not know the authority")]
    [InlineData(0x0A00_0416, "the client does not accept the broker's certificate: it must trust the authority")]
    [InlineData(0x0A00_0412, "the client does not accept the broker's certificate")]
    [InlineData(0x0A00_0415, "the client holds the broker's certificate for expired")]
    [InlineData(0x0A00_042E, "client and broker have no version of TLS in common: the broker speaks TLS 1.2 and 1.3")]
    [InlineData(0x0A00_0102, "client and broker have no version of TLS in common")]
    [InlineData(0x0A00_00C1, "client and broker have no cipher or signature in common")]
    public void What_a_client_or_the_library_says_is_told_in_words(int code, string words)
    {
        var error = new AuthenticationException("Authentication failed, see inner exception.", new IOException("SSL Handshake failed", new CryptographicException(code)));
        Assert.StartsWith(words, TlsFailure.Of(error, clientCertificate: null, PemOptions), StringComparison.Ordinal);
    }

    [Fact]
    public void A_client_that_hangs_up_in_the_handshake_may_not_like_the_certificate() =>
        Assert.StartsWith("the client closed the connection in the middle of it", TlsFailure.Of(new IOException("Received an unexpected EOF or 0 bytes from the transport stream."), null, PemOptions), StringComparison.Ordinal);

    [Fact]
    public async Task Who_connects_and_goes_without_a_word_is_not_warned_of()
    {
        IPEndPoint endPoint = Listen(PemOptions);
        using (var socket = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(endPoint);
        }

        await Poll.UntilAsync(() => _log.Has(LogLevel.Debug, "gone again without a word"), "the log line");
        Assert.DoesNotContain(_log.Lines, static line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task What_is_to_be_said_of_a_certificate_is_said_when_it_comes_into_force()
    {
        var clock = new ManualTimeProvider();
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.Zero }, clock, _log);
        IPEndPoint endPoint = Listen(PemOptions with { Remark = static certificate => certificate.Subject == "CN=odd" ? "an odd name" : null }, server: server);
        Assert.DoesNotContain(_log.Lines, static line => line.Level == LogLevel.Warning);
        _certificates.Renew("CN=odd");
        clock.Advance(TlsServer.LookPeriod);
        await using SslStream client = await ConnectAsync(endPoint);
        Assert.True(_log.Has(LogLevel.Warning, "Listener tls: an odd name"));
    }

    [Fact]
    public async Task A_renewed_certificate_is_taken_up_by_new_connections_and_a_broken_one_is_not()
    {
        var clock = new ManualTimeProvider();
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.Zero }, clock, _log);
        IPEndPoint endPoint = Listen(PemOptions, server: server);
        await using SslStream early = await ConnectAsync(endPoint);
        _certificates.Renew("CN=renewed");
        Assert.Equal("CN=localhost", await ServedAsync());
        clock.Advance(TlsServer.LookPeriod);
        Assert.Equal("CN=renewed", await ServedAsync());
        Assert.True(_log.Has(LogLevel.Information, "the certificate files have changed"));
        Assert.True(await EchoesAsync(early), "A connection from before has been harmed.");

        _certificates.Write("server.key", "nonsense");
        clock.Advance(TlsServer.LookPeriod);
        Assert.Equal("CN=renewed", await ServedAsync());
        clock.Advance(TlsServer.LookPeriod);
        Assert.Equal("CN=renewed", await ServedAsync());
        Assert.Single(_log.Lines, line => line.Level == LogLevel.Warning && line.Text.Contains(_certificates.KeyFile, StringComparison.Ordinal));

        _certificates.Renew("CN=mended");
        clock.Advance(TlsServer.LookPeriod);
        Assert.Equal("CN=mended", await ServedAsync());

        async Task<string> ServedAsync()
        {
            await using SslStream client = await ConnectAsync(endPoint);
            Assert.True(await EchoesAsync(client));
            return client.RemoteCertificate!.Subject;
        }
    }

    [Fact]
    public async Task Renewed_authorities_of_clients_are_taken_up()
    {
        var clock = new ManualTimeProvider();
        await using var server = new TransportServer(new TransportOptions { HandshakeTimeout = TimeSpan.Zero }, clock, _log);
        IPEndPoint endPoint = Listen(PemOptions with { ClientCertificates = ClientCertificateMode.Required, ClientAuthorityFile = _certificates.AuthorityFile }, server: server);
        using var others = new TestCertificates();
        using X509Certificate2 worker = others.Issue("CN=worker");
        Assert.False(await IsWelcomeAsync());
        File.Copy(others.AuthorityFile, _certificates.AuthorityFile, overwrite: true);
        clock.Advance(TlsServer.LookPeriod);
        Assert.True(await IsWelcomeAsync());

        async Task<bool> IsWelcomeAsync()
        {
            try
            {
                await using SslStream client = await ConnectAsync(endPoint, worker);
                return await EchoesAsync(client);
            }
            catch (Exception error) when (error is IOException or AuthenticationException)
            {
                return false;
            }
        }
    }

    [Fact]
    public void A_certificate_that_cannot_be_used_is_named()
    {
        string nonsense = _certificates.Write("nonsense.pem", "nonsense");
        foreach ((TlsOptions options, string file, string setting) in new (TlsOptions, string, string)[]
        {
            (PemOptions with { CertificateFile = "missing.pem" }, "missing.pem", "CertificateFile"),
            (PemOptions with { KeyFile = nonsense }, nonsense, "KeyFile"),
            (PemOptions with { CertificateFile = nonsense }, nonsense, "CertificateFile"),
            (new TlsOptions { CertificateFile = _certificates.PfxFile, Password = "wrong" }, _certificates.PfxFile, "Password"),
            (PemOptions with { ClientAuthorityFile = nonsense, ClientCertificates = ClientCertificateMode.Required }, nonsense, "ClientAuthorityFile"),
        })
        {
            ListenException error = Assert.Throws<ListenException>(() => { Listen(options with { Section = "Kafka:Tls" }); });
            Assert.Contains($"Kafka:Tls:{setting}", error.Message, StringComparison.Ordinal);
            Assert.Contains(file, error.Message, StringComparison.Ordinal);
            Assert.Contains("'tls'", error.Message, StringComparison.Ordinal);
        }
    }
}
