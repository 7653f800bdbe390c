using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Logging in: KIP-43, KIP-152.</summary>
public sealed class SaslTests(BrokerFixture broker) : SecurityTest(broker)
{
    [Fact]
    public async Task KIP43_Mechanisms_are_listed_and_others_refused()
    {
        RawClient client = await ConnectToLogInAsync();
        SaslHandshakeResponse handshake = await client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = "GSSAPI" }, 1);
        Assert.Equal(KafkaErrorCode.UnsupportedSaslMechanism, handshake.ErrorCode);
        Assert.Equal(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], handshake.Mechanisms.Order());
    }

    [Fact]
    public async Task Framing_before_the_login_a_request_has_at_most_512_KB()
    {
        RawClient stranger = await ConnectToLogInAsync();
        await stranger.ChooseAsync("PLAIN");
        await stranger.SendBytesAsync(Hex("00080001"));
        await stranger.IsClosedAsync();

        TestTopic topic = await TopicAsync();
        ProduceRequest large = Produce(topic, 1, (0, BatchBuilder.Of(new string('x', 600_000))));
        RawClient known = await ConnectToLogInAsync();
        await known.PlainAsync("guest", "guest");
        Assert.Equal(KafkaErrorCode.None, (await known.AskAsync<ProduceResponse>(large, 13)).Responses[0].PartitionResponses[0].ErrorCode);

        // Who need not log in may send as much at once.
        RawClient anonymous = await ConnectAsync();
        Assert.Equal(KafkaErrorCode.None, (await anonymous.AskAsync<ProduceResponse>(large, 13)).Responses[0].PartitionResponses[0].ErrorCode);
    }

    [Fact]
    public async Task KIP152_PLAIN()
    {
        RawClient client = await ConnectToLogInAsync();
        SaslAuthenticateResponse answer = await client.PlainAsync("guest", "guest");
        Assert.Equal((KafkaErrorCode.None, "", 0), (answer.ErrorCode, answer.ErrorMessage, answer.AuthBytes.Length));
        await ServesAsync(client);
        Assert.Equal(KafkaErrorCode.IllegalSaslState, (await client.SayAsync("\0guest\0guest")).ErrorCode);

        RawClient guesser = await ConnectToLogInAsync();
        SaslAuthenticateResponse refused = await guesser.PlainAsync("guest", "Guest");
        Assert.Equal((KafkaErrorCode.SaslAuthenticationFailed, "Authentication failed: Invalid username or password"), (refused.ErrorCode, refused.ErrorMessage));
        await guesser.IsClosedAsync();
    }
}
