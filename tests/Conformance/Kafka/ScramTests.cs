using System.Text;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>SCRAM-SHA-256 and SCRAM-SHA-512, and who has credentials for them: RFC 5802, RFC 7677, KIP-84, KIP-554.</summary>
public sealed class ScramTests(BrokerFixture broker) : SecurityTest(broker)
{
    [Theory]
    [InlineData(SaslMoves.Sha256)]
    [InlineData(SaslMoves.Sha512)]
    public async Task RFC5802_Who_knows_the_password_is_let_in(string mechanism)
    {
        string user = $"{Name("user")}=a,b";
        await UpsertAsync(user, mechanism, "pencil");
        RawClient client = await ConnectToLogInAsync();
        Assert.Equal(KafkaErrorCode.None, (await client.ScramAsync(mechanism, user, "pencil")).ErrorCode);
        await ServesAsync(client);

        RawClient guesser = await ConnectToLogInAsync();
        SaslAuthenticateResponse refused = await guesser.ScramAsync(mechanism, user, "pencils");
        Assert.Equal(
            (KafkaErrorCode.SaslAuthenticationFailed, $"Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"),
            (refused.ErrorCode, refused.ErrorMessage));
        await guesser.IsClosedAsync();
    }

    [Fact]
    public async Task RFC5802_A_user_that_is_not_there_looks_like_a_wrong_password()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka refuses the first message of a user that is not there");
        string known = await UserAsync();
        RawClient right = await ConnectToLogInAsync();
        SaslAuthenticateResponse wrongPassword = await right.ScramAsync(SaslMoves.Sha256, known, "wrong");
        string stranger = Name("stranger");
        RawClient guesser = await ConnectToLogInAsync();
        SaslAuthenticateResponse nobody = await guesser.ScramAsync(SaslMoves.Sha256, stranger, "wrong");
        Assert.Equal((wrongPassword.ErrorCode, wrongPassword.ErrorMessage), (nobody.ErrorCode, nobody.ErrorMessage));

        // Salt and rounds are always the same for a name.
        Assert.Equal(await AskSaltAsync(stranger), await AskSaltAsync(stranger));
        Assert.NotEqual(await AskSaltAsync(stranger), await AskSaltAsync(Name("stranger")));
    }

    [Theory]
    [InlineData("n,,n=guest,r=abc,tokenauth=true")]
    [InlineData("p=tls-unique,,n=guest,r=abc")]
    [InlineData("n,,m=x,n=guest,r=abc")]
    [InlineData("n,a=other,n=guest,r=abc")]
    [InlineData("n,,n=gu=2est,r=abc")]
    [InlineData("n,,r=abc")]
    [InlineData("n,,n=guest")]
    [InlineData("nonsense")]
    public async Task RFC5802_First_messages_that_cannot_be(string message)
    {
        RawClient client = await ConnectToLogInAsync();
        await client.ChooseAsync(SaslMoves.Sha256);
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, (await client.SayAsync(message)).ErrorCode);
        await client.IsClosedAsync();
    }

    [Theory]
    [InlineData("c=biws,r=other,p=AAAA")]
    [InlineData("c=biws,p=AAAA")]
    [InlineData("nonsense")]
    public async Task RFC5802_Final_messages_that_cannot_be(string message)
    {
        string user = await UserAsync();
        RawClient client = await ConnectToLogInAsync();
        await client.ChooseAsync(SaslMoves.Sha256);
        Assert.Equal(KafkaErrorCode.None, (await client.SayAsync($"n,,n={user},r=abc")).ErrorCode);
        Assert.Equal(KafkaErrorCode.SaslAuthenticationFailed, (await client.SayAsync(message)).ErrorCode);
        await client.IsClosedAsync();
    }

    [Fact]
    public async Task Users_of_Sluice_log_in_with_their_password()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has no users but those with credentials");
        Assert.True(await LogsInAsync("guest", SaslMoves.Sha256, "guest"));
        Assert.True(await LogsInAsync("guest", SaslMoves.Sha512, "guest"));
        Assert.False(await LogsInAsync("guest", SaslMoves.Sha512, "Guest"));
    }

    [Fact]
    public async Task KIP554_Credentials_are_set_described_and_deleted()
    {
        string user = await UserAsync();
        await UpsertAsync(user, SaslMoves.Sha512, "other", 8192);
        Assert.Equal([$"{user}: None 1/4096 2/8192"], await DescribeAsync(user));
        Assert.Contains($"{user}: None 1/4096 2/8192", await DescribeAsync());
        Assert.Equal([$"{user}: DuplicateResource"], await DescribeAsync(user, user));

        await UpsertAsync(user, SaslMoves.Sha256, "changed", 5000);
        Assert.False(await LogsInAsync(user, SaslMoves.Sha256, "secret"));
        Assert.True(await LogsInAsync(user, SaslMoves.Sha512, "other"));
        AlterUserScramCredentialsResponse deleted = await AlterAsync([Deletion(user, 1)], []);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(deleted.Results).ErrorCode);
        await EventuallyAsync(async () => !await LogsInAsync(user, SaslMoves.Sha256, "changed"), "the credential gone");
        Assert.True(await LogsInAsync(user, SaslMoves.Sha512, "other"));
        Assert.Equal([$"{user}: None 2/8192"], await DescribeAsync(user));

        await AlterAsync([Deletion(user, 2)], []);
        await EventuallyAsync(async () => (await DescribeAsync(user)).SequenceEqual([$"{user}: ResourceNotFound"]), "no credentials");
    }

    [Fact]
    public async Task KIP554_Alterations_that_cannot_be()
    {
        string user = await UserAsync();
        string other = Name("user");
        Assert.Equal([(other, KafkaErrorCode.ResourceNotFound)], Outcome(await AlterAsync([Deletion(other, 1)], [])));
        Assert.Equal([(user, KafkaErrorCode.ResourceNotFound)], Outcome(await AlterAsync([Deletion(user, 2)], [])));
        Assert.Equal([(user, KafkaErrorCode.UnsupportedSaslMechanism)], Outcome(await AlterAsync([Deletion(user, 7)], [])));
        Assert.Equal([(other, KafkaErrorCode.UnsupportedSaslMechanism)], Outcome(await AlterAsync([], [Upsertion(other, "SCRAM-SHA-1", "x")])));
        Assert.Equal([(other, KafkaErrorCode.UnacceptableCredential)], Outcome(await AlterAsync([], [Upsertion(other, SaslMoves.Sha256, "x", 4095)])));
        Assert.Equal([(other, KafkaErrorCode.UnacceptableCredential)], Outcome(await AlterAsync([], [Upsertion(other, SaslMoves.Sha256, "x", 16_385)])));
        Assert.Equal([("", KafkaErrorCode.UnacceptableCredential)], Outcome(await AlterAsync([], [Upsertion("", SaslMoves.Sha256, "x")])));
        Assert.Equal(
            [(other, KafkaErrorCode.DuplicateResource)],
            Outcome(await AlterAsync([], [Upsertion(other, SaslMoves.Sha256, "x"), Upsertion(other, SaslMoves.Sha512, "x")])));

        // What is right beside what is wrong is done.
        string third = Name("user");
        Assert.Equal(
            new[] { (third, KafkaErrorCode.None), (user, KafkaErrorCode.DuplicateResource) }.Order(),
            Outcome(await AlterAsync([Deletion(user, 1)], [Upsertion(user, SaslMoves.Sha512, "x"), Upsertion(third, SaslMoves.Sha256, "x")])).Order());
        await EventuallyAsync(async () => await LogsInAsync(third, SaslMoves.Sha256, "x"), "the third user logs in");
        Assert.True(await LogsInAsync(user, SaslMoves.Sha256, "secret"));
    }

    private static AlterUserScramCredentialsRequest.ScramCredentialDeletion Deletion(string user, sbyte mechanism) => new() { Name = user, Mechanism = mechanism };

    private static List<(string User, KafkaErrorCode Error)> Outcome(AlterUserScramCredentialsResponse response) => [.. response.Results.Select(static result => (result.User, result.ErrorCode))];

    private async Task<string> AskSaltAsync(string user)
    {
        RawClient client = await ConnectToLogInAsync();
        await client.ChooseAsync(SaslMoves.Sha256);
        string first = Encoding.UTF8.GetString((await client.SayAsync($"n,,n={user},r=abc")).AuthBytes.Span);
        return first[first.IndexOf(",s=", StringComparison.Ordinal)..];
    }

    private async Task<List<string>> DescribeAsync(params string[] users)
    {
        DescribeUserScramCredentialsResponse response = await Client.AskAsync<DescribeUserScramCredentialsResponse>(
            new DescribeUserScramCredentialsRequest { Users = users.Length == 0 ? null : [.. users.Select(static user => new DescribeUserScramCredentialsRequest.UserName { Name = user })] },
            0);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return [.. response.Results.Select(static result => $"{result.User}: {result.ErrorCode} {string.Join(' ', result.CredentialInfos.OrderBy(static info => info.Mechanism).Select(static info => $"{info.Mechanism}/{info.Iterations}"))}".TrimEnd())];
    }
}
