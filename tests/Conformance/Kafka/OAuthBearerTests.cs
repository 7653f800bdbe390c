using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Login by tokens: KIP-255, KIP-768, RFC 7628.</summary>
public sealed class OAuthBearerTests
{
    private const string Secret = "a secret of at least 32 bytes, here 42 of them";

    [Fact]
    public async Task KIP368_A_token_is_a_login_until_it_expires()
    {
        await using BrokerProcess broker = await StartAsync();
        await using RawClient client = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        await client.ChooseAsync("OAUTHBEARER");
        SaslAuthenticateResponse answer = await client.SayAsync(Message("guest", seconds: 3));
        Assert.Equal((KafkaErrorCode.None, 0), (answer.ErrorCode, answer.AuthBytes.Length));
        Assert.InRange(answer.SessionLifetimeMs, 1, 3000);
        var versions = new ApiVersionsRequest { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1" };
        long deadline = Environment.TickCount64 + (long)RawClient.Patience.TotalMilliseconds;
        do
        {
            Assert.True(Environment.TickCount64 < deadline, "the connection outlives the token");
            await Task.Delay(10);
            await client.SendAsync(versions, 4);
        }
        while (await client.ReceiveFrameAsync() is not null);
    }

    [Theory]
    [InlineData("nobody", 60)]
    [InlineData("guest", -60)]
    public async Task RFC7628_3_2_2_Who_is_refused_is_told_and_acknowledges_it(string user, int seconds)
    {
        await using BrokerProcess broker = await StartAsync();
        await using RawClient client = await RawClient.ConnectAsync("127.0.0.1", broker.KafkaPort);
        await client.ChooseAsync("OAUTHBEARER");
        SaslAuthenticateResponse told = await client.SayAsync(Message(user, seconds));
        Assert.Equal((KafkaErrorCode.None, "{\"status\":\"invalid_token\"}"), (told.ErrorCode, Encoding.UTF8.GetString(told.AuthBytes.Span)));
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, (await client.SayAsync("\u0001")).ErrorCode);
        await client.IsClosedAsync();
    }

    private static Task<BrokerProcess> StartAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "the real Kafka is not set up with keys for tokens");
        return BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Security__OAuthBearer__Secret"] = Secret });
    }

    private static string Message(string user, int seconds)
    {
        string signed = $"{Part("{\"alg\":\"HS256\"}")}.{Part($$"""{"sub":"{{user}}","exp":{{DateTimeOffset.UtcNow.ToUnixTimeSeconds() + seconds}}}""")}";
        return $"n,,\u0001auth=Bearer {signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), Encoding.UTF8.GetBytes(signed)))}\u0001\u0001";
    }

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
