using Sluice.BlackBox;

namespace Sluice.Interop;

/// <summary>Kafka's real clients log in.</summary>
public sealed class KafkaSecurityTests
{
    [Theory]
    [InlineData("SCRAM-SHA-256")]
    [InlineData("SCRAM-SHA-512")]
    public async Task ConfluentKafka_by_SCRAM(string mechanism)
    {
        await using BrokerProcess broker = await StartAsync();
        string output = await RunAsync(broker, "scram", mechanism, "guest", "guest");
        Assert.Contains("ok scram", output);
    }

    [Fact]
    public async Task ConfluentKafka_goes_on_when_its_login_has_ended()
    {
        await using BrokerProcess broker = await StartAsync(("Kafka__ReauthenticationMaxMs", "1000"));
        Assert.Contains("ok reauthentication", await RunAsync(broker, "reauthentication"));
    }

    [Fact]
    public async Task ConfluentKafka_by_OAUTHBEARER_with_tokens_that_expire()
    {
        const string Secret = "a secret of at least 32 bytes, here 42 of them";
        await using BrokerProcess broker = await StartAsync(("Security__OAuthBearer__Secret", Secret));
        Assert.Contains("ok oauthbearer", await RunAsync(broker, "oauthbearer", Secret));
    }

    private static Task<BrokerProcess> StartAsync(params (string Key, string Value)[] settings)
    {
        var all = new Dictionary<string, string> { ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0", ["Sluice__Kafka__AnonymousUser"] = "" };
        foreach ((string key, string value) in settings)
        {
            all[$"Sluice__{key}"] = value;
        }

        return BrokerProcess.StartAsync(all);
    }

    private static Task<string> RunAsync(BrokerProcess broker, params string[] arguments) =>
        ClientProgram.RunAsync(ClientProgram.Python, ["python/kafka_security.py", $"127.0.0.1:{broker.KafkaPort}", .. arguments]);
}
