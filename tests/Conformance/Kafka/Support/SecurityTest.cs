using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A test with users of its own.</summary>
public abstract class SecurityTest(BrokerFixture broker) : KafkaTest(broker)
{
    /// <summary>Where clients log in.</summary>
    protected virtual (string Host, int Port) Listener => (Broker.SaslHost, Broker.SaslPort);

    /// <summary>A connection on which clients log in.</summary>
    protected Task<RawClient> ConnectToLogInAsync() => ConnectAsync(Listener.Host, Listener.Port);

    /// <summary>A new user with a password for SCRAM-SHA-256, who may do nothing.</summary>
    protected async Task<string> UserAsync(string password = "secret")
    {
        string user = Name("user");
        await UpsertAsync(user, SaslMoves.Sha256, password);
        return user;
    }

    /// <summary>A connection of the user, logged in by SCRAM-SHA-256.</summary>
    protected async Task<RawClient> LogInAsync(string user, string password = "secret")
    {
        RawClient client = await ConnectToLogInAsync();
        SaslAuthenticateResponse answer = await client.ScramAsync(SaslMoves.Sha256, user, password);
        Assert.Equal((KafkaErrorCode.None, ""), (answer.ErrorCode, answer.ErrorMessage));
        return client;
    }

    /// <summary>Sets a credential and waits until it opens the account.</summary>
    protected async Task UpsertAsync(string user, string mechanism, string password, int iterations = 4096)
    {
        AlterUserScramCredentialsResponse response = await AlterAsync([], [Upsertion(user, mechanism, password, iterations)]);
        Assert.Equal((user, KafkaErrorCode.None, null), Assert.Single(response.Results.Select(static result => (result.User, result.ErrorCode, result.ErrorMessage))));
        await EventuallyAsync(async () => await LogsInAsync(user, mechanism, password), $"{user} logs in");
    }

    protected async Task<bool> LogsInAsync(string user, string mechanism, string password)
    {
        await using RawClient client = await RawClient.ConnectAsync(Listener.Host, Listener.Port);
        return (await client.ScramAsync(mechanism, user, password)).ErrorCode == KafkaErrorCode.None;
    }

    protected static AlterUserScramCredentialsRequest.ScramCredentialUpsertion Upsertion(string user, string mechanism, string password, int iterations = 4096)
    {
        byte[] salt = [.. Enumerable.Range(1, 16).Select(static i => (byte)i)];
        return new AlterUserScramCredentialsRequest.ScramCredentialUpsertion
        {
            Name = user,
            Mechanism = (sbyte)(mechanism == SaslMoves.Sha256 ? 1 : mechanism == SaslMoves.Sha512 ? 2 : 0),
            Iterations = iterations,
            Salt = salt,
            SaltedPassword = SaslMoves.SaltedPassword(mechanism, password, salt, Math.Max(1, iterations)),
        };
    }

    protected Task<AlterUserScramCredentialsResponse> AlterAsync(
        AlterUserScramCredentialsRequest.ScramCredentialDeletion[] deletions, AlterUserScramCredentialsRequest.ScramCredentialUpsertion[] upsertions) =>
        Client.AskAsync<AlterUserScramCredentialsResponse>(new AlterUserScramCredentialsRequest { Deletions = deletions, Upsertions = upsertions }, 0);
}
