using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Sluice.BlackBox;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.TestKit.Tls;

namespace Sluice.Client.Tests.Live;

/// <summary>The client over TLS and with SASL PLAIN, against a broker with a certificate of its own authority.</summary>
public sealed class SecurityTests : IDisposable
{
    private static readonly SaslPlain s_guest = new("guest", "guest");
    private readonly TestCertificates _certificates = new();

    public void Dispose() => _certificates.Dispose();

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Records_go_there_and_back_in_a_group_and_a_transaction(bool tls, bool sasl)
    {
        await using BrokerProcess broker = await StartAsync(mustLogIn: sasl);
        (string server, SslClientAuthenticationOptions? secure) = tls ? (TlsAddress(broker), Trusting(_certificates.Authority)) : ($"127.0.0.1:{broker.KafkaPort}", null);
        SaslPlain? login = sasl ? s_guest : null;
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = server, Tls = secure, Sasl = login, TransactionalId = "secure" });
        await producer.InitTransactionsAsync();
        producer.BeginTransaction();

        // Larger than what TLS takes at once.
        string large = new('x', 500_000);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => producer.SendAsync(new("topic", $"{i}", i == 50 ? large : $"value {i}"))));
        await producer.CommitTransactionAsync();

        await using var consumer = new KafkaConsumer<string?, string?>(
            new ConsumerOptions { BootstrapServers = server, Tls = secure, Sasl = login, GroupId = "group", AutoOffsetReset = AutoOffsetReset.Earliest, IsolationLevel = IsolationLevel.ReadCommitted });
        consumer.Subscribe("topic");
        for (int i = 0; i < 100; i++)
        {
            ConsumedRecord<string?, string?>? record = await consumer.ConsumeAsync(TimeSpan.FromSeconds(30));
            Assert.Equal(($"{i}", i == 50 ? large : $"value {i}"), (record?.Key, record?.Value));
        }

        await consumer.CommitAsync();
        Assert.Empty(broker.ErrorLines);
    }

    [Fact]
    public async Task A_wrong_password_is_told_at_once()
    {
        await using BrokerProcess broker = await StartAsync(mustLogIn: true);
        var wrong = new SaslPlain("guest", "wrong");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", Sasl = wrong });
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, error.ErrorCode);
        Assert.Contains("as 'guest'", error.Message);

        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", Sasl = wrong, GroupId = "group" });
        consumer.Subscribe("topic");
        error = await Assert.ThrowsAsync<KafkaClientException>(() => consumer.ConsumeAsync(TimeSpan.FromSeconds(30)).AsTask());
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, error.ErrorCode);
    }

    [Fact]
    public async Task A_certificate_of_a_stranger_is_not_taken()
    {
        await using BrokerProcess broker = await StartAsync(mustLogIn: false);
        using X509Certificate2 stranger = TestCertificates.IssueByStranger("CN=localhost");
        await using var producer = new KafkaProducer<string?, string?>(
            new ProducerOptions { BootstrapServers = TlsAddress(broker), Tls = Trusting(stranger), MaxBlock = TimeSpan.FromSeconds(1) });
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("certificate", error.ToString());
    }

    [Fact]
    public async Task A_leader_by_another_name_than_its_certificate_has_is_told_at_once()
    {
        // The bootstrap server's name is in the certificate, the address that the broker advertises is not.
        await using BrokerProcess broker = await StartAsync(mustLogIn: false);
        string server = $"localhost:{SecureBroker.TlsPort(broker)}";
        SslClientAuthenticationOptions secure = Trusting(_certificates.Authority, host: null);
        await using (var plain = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}" }))
        {
            await plain.SendAsync(new("topic", null, "value"));
        }

        foreach (Acks acks in (Acks[])[Acks.All, Acks.Leader])
        {
            await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = server, Tls = secure, Acks = acks, EnableIdempotence = acks == Acks.All });
            for (int i = 0; i < 2; i++)
            {
                IsOfName(await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(30))));
            }
        }

        await using var transactional = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = server, Tls = secure, TransactionalId = "id" });
        IsOfName(await Assert.ThrowsAsync<KafkaClientException>(() => transactional.InitTransactionsAsync().WaitAsync(TimeSpan.FromSeconds(30))));

        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = server, Tls = secure, GroupId = "group" });
        consumer.Assign(await consumer.PartitionsAsync("topic"));
        consumer.Seek(new TopicPartition("topic", 0), 0);
        IsOfName(await Assert.ThrowsAsync<KafkaClientException>(() => consumer.ConsumeAsync(TimeSpan.FromSeconds(30)).AsTask()));

        static void IsOfName(KafkaClientException error)
        {
            Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, error.ErrorCode);
            Assert.Contains("RemoteCertificateNameMismatch", error.Message);
        }
    }

    [Fact]
    public async Task TLS_to_a_listener_without_it_is_told()
    {
        await using BrokerProcess broker = await StartAsync(mustLogIn: false);
        var options = new ProducerOptions { BootstrapServers = $"127.0.0.1:{broker.KafkaPort}", Tls = Trusting(_certificates.Authority), RetriesFirstConnection = false };
        await using var producer = new KafkaProducer<string?, string?>(options);
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(KafkaErrorCode.NetworkException, error.ErrorCode);
        Assert.EndsWith("it may be a listener without TLS", error.Message);
    }

    [Fact]
    public async Task What_a_broker_may_want_that_ends_the_connection_is_told()
    {
        await using BrokerProcess broker = await StartAsync(mustLogIn: true);
        foreach ((string address, string expected) in ((string, string)[])[(TlsAddress(broker), "it may be a listener for TLS"), ($"127.0.0.1:{broker.KafkaPort}", "it may want a login")])
        {
            await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = address, MaxBlock = TimeSpan.FromSeconds(1) });
            KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(30)));
            Assert.Contains(expected, error.Message);
        }
    }

    private Task<BrokerProcess> StartAsync(bool mustLogIn) => SecureBroker.StartAsync(_certificates, mustLogIn);

    private static string TlsAddress(BrokerProcess broker) => $"127.0.0.1:{SecureBroker.TlsPort(broker)}";

    /// <summary>The certificate is for the name localhost; the broker is reached by its address.</summary>
    private static SslClientAuthenticationOptions Trusting(X509Certificate2 authority, string? host = "localhost") => new()
    {
        TargetHost = host,
        CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { authority }, RevocationMode = X509RevocationMode.NoCheck },
    };
}
