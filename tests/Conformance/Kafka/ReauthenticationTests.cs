using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Logging in again on the open connection: KIP-368.</summary>
public sealed class ReauthenticationTests(BrokerFixture broker) : SecurityTest(broker)
{
    // The real Kafka is set up with this for SCRAM-SHA-256.
    private const int LongLifetimeMs = 60_000;

    private BrokerProcess? _process;

    protected override (string Host, int Port) Listener => _process is null ? base.Listener : ("127.0.0.1", _process.KafkaPort);

    public override async ValueTask InitializeAsync()
    {
        _process = BrokerFixture.IsKafka ? null : await StartAsync(LongLifetimeMs);
        Client = _process is null ? await ConnectAsync() : await ConnectAsync("127.0.0.1", _process.KafkaPort);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }

    [Fact]
    public async Task KIP368_Who_is_logged_in_for_good_does_not_do_it_again()
    {
        // Of the broker of all tests, and with the real Kafka by another mechanism.
        string user = Name("user");
        await UpsertAsync(user, SaslMoves.Sha512, "secret");
        await using BrokerProcess? other = BrokerFixture.IsKafka ? null : await BrokerProcess.StartAsync();
        RawClient client = other is null ? await ConnectToLogInAsync() : await ConnectAsync("127.0.0.1", other.KafkaPort);
        SaslAuthenticateResponse first = other is null ? await client.ScramAsync(SaslMoves.Sha512, user, "secret") : await client.PlainAsync("guest", "guest");
        Assert.Equal((KafkaErrorCode.None, 0), (first.ErrorCode, first.SessionLifetimeMs));
        SaslHandshakeResponse again = await client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = SaslMoves.Sha512 }, 1);
        Assert.Equal(KafkaErrorCode.IllegalSaslState, again.ErrorCode);
        await ServesAsync(client);
    }

    [Fact]
    public async Task KIP368_A_login_can_be_repeated_by_the_same_user_only()
    {
        string user = await UserAsync();
        string other = await UserAsync();
        RawClient client = await LogInAsync(user);
        Assert.Equal(KafkaErrorCode.None, (await client.ScramAsync(SaslMoves.Sha256, user, "secret")).ErrorCode);
        await ServesAsync(client);

        RawClient changing = await LogInAsync(user);
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, (await changing.ScramAsync(SaslMoves.Sha256, other, "secret")).ErrorCode);
        await changing.IsClosedAsync();
        await LoggedAsync($"Login of user '{other}' from 127.0.0.1", $"refused: the connection is that of user '{user}'");

        RawClient wrong = await LogInAsync(user);
        SaslAuthenticateResponse refused = await wrong.ScramAsync(SaslMoves.Sha256, user, "wrong");
        Assert.Equal(
            (KafkaErrorCode.SaslAuthenticationFailed, $"Authentication failed during re-authentication due to invalid credentials with SASL mechanism {SaslMoves.Sha256}"),
            (refused.ErrorCode, refused.ErrorMessage));
        await wrong.IsClosedAsync();
    }

    [Fact]
    public async Task KIP368_The_mechanism_stays_the_same()
    {
        string user = await UserAsync();
        await UpsertAsync(user, SaslMoves.Sha512, "secret");
        RawClient client = await LogInAsync(user);
        await client.ChooseAsync(SaslMoves.Sha512);

        // Kafka closes the connection without an answer.
        int id = await client.SendAsync(new SaslAuthenticateRequest { AuthBytes = Bytes($"n,,n={user},r=abc") }, 2);
        if (await client.ReceiveFrameAsync() is { } frame)
        {
            Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, RawClient.Read<SaslAuthenticateResponse>(frame, 2, id).ErrorCode);
            await client.IsClosedAsync();
        }

        await LoggedAsync($"Login of user '{user}' from 127.0.0.1", "refused: it repeats its login by SCRAM-SHA-512, and has logged in by SCRAM-SHA-256");
    }

    [Fact]
    public async Task KIP368_Who_asks_for_something_else_while_logging_in_again_is_disconnected()
    {
        string user = await UserAsync();
        RawClient client = await LogInAsync(user);
        await client.ChooseAsync(SaslMoves.Sha256);
        await client.SendAsync(new MetadataRequest { Topics = [] }, 12);

        // Kafka answers before it closes the connection.
        if (await client.ReceiveFrameAsync() is not null)
        {
            await client.IsClosedAsync();
        }
    }

    [Fact]
    public async Task KIP368_A_login_is_good_for_its_time()
    {
        // The real Kafka is set up with 5 seconds for PLAIN.
        const int LifetimeMs = 5000;
        await using BrokerProcess? other = BrokerFixture.IsKafka ? null : await StartAsync(LifetimeMs);
        Task<RawClient> ConnectAsync() => other is null ? ConnectToLogInAsync() : base.ConnectAsync("127.0.0.1", other.KafkaPort);
        RawClient idle = await ConnectAsync();
        Assert.Equal(LifetimeMs, (await idle.PlainAsync("guest", "guest")).SessionLifetimeMs);
        RawClient renewing = await ConnectAsync();
        Assert.Equal(LifetimeMs, (await renewing.PlainAsync("guest", "guest")).SessionLifetimeMs);
        long renewed = Environment.TickCount64;
        var versions = new ApiVersionsRequest { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1" };
        await EventuallyAsync(
            async () =>
            {
                if (Environment.TickCount64 - renewed > 1500)
                {
                    SaslAuthenticateResponse again = await renewing.PlainAsync("guest", "guest");
                    Assert.Equal((KafkaErrorCode.None, LifetimeMs), (again.ErrorCode, again.SessionLifetimeMs));
                    renewed = Environment.TickCount64;
                }

                await idle.SendAsync(versions, 4);
                return await idle.ReceiveFrameAsync() is null;
            },
            "the connection that does not log in again closed");
        await ServesAsync(renewing);
    }

    /// <summary>The log is Sluice's own.</summary>
    private Task LoggedAsync(params string[] words) => _process is null ? Task.CompletedTask : _process.LoggedAsync(words);

    private static Task<BrokerProcess> StartAsync(int lifetimeMs) => BrokerProcess.StartAsync(new Dictionary<string, string> { ["Sluice__Kafka__ReauthenticationMaxMs"] = $"{lifetimeMs}" });
}
