using Sluice.Base.Sasl;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Client.Tests.Support;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Tests.Live;

/// <summary>Logins by name and password, to Sluice or to the broker that is named.</summary>
public sealed class LoginTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    [Theory]
    [InlineData("PLAIN")]
    [InlineData("SCRAM-SHA-256")]
    [InlineData("SCRAM-SHA-512")]
    public async Task Records_go_there_and_back(string mechanism)
    {
        string address = await PrepareAsync();
        string topic = broker.NewName("login");
        await Administration.CreateTopicAsync(broker.Address, topic, 1);
        SaslCredentials login = Login(mechanism, "guest");
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = address, Sasl = login });
        await producer.SendAsync(new(topic, null, "value"));
        await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = address, Sasl = login, GroupId = topic, AutoOffsetReset = AutoOffsetReset.Earliest });
        consumer.Subscribe(topic);
        Assert.Equal("value", (await consumer.ConsumeAsync(TimeSpan.FromSeconds(30)))?.Value);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("SCRAM-SHA-256")]
    [InlineData("SCRAM-SHA-512")]
    public async Task A_wrong_password_is_told_and_not_tried_again(string mechanism)
    {
        string address = await PrepareAsync();
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = address, Sasl = Login(mechanism, "wrong"), MaxBlock = TimeSpan.FromHours(1) });
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, error.ErrorCode);
        Assert.StartsWith($"Logging in to {address} as 'guest' by {mechanism}: the broker answered SaslAuthenticationFailed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mechanism_that_the_broker_lacks_is_told_with_those_that_it_has()
    {
        string address = await PrepareAsync();
        await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = address, Sasl = new SaslOAuthBearer(_ => ValueTask.FromResult("token")) });
        KafkaClientException error = await Assert.ThrowsAsync<KafkaClientException>(() => producer.SendAsync(new("topic", null, "value")).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(KafkaErrorCode.UnsupportedSaslMechanism, error.ErrorCode);
        Assert.Contains("SCRAM-SHA-256", error.Message);
    }

    private async Task<string> PrepareAsync()
    {
        Assert.SkipWhen(broker.SaslAddress is null, "the named broker has no listener for logins (SLUICE_KAFKA_SASL_TARGET)");
        await Administration.UpsertScramAsync(broker.Address, "guest", "guest");
        return broker.SaslAddress;
    }

    private static SaslCredentials Login(string mechanism, string password) => mechanism switch
    {
        "PLAIN" => new SaslPlain("guest", password),
        "SCRAM-SHA-256" => new SaslScram("guest", password) { Algorithm = ScramAlgorithm.Sha256 },
        _ => new SaslScram("guest", password),
    };
}
