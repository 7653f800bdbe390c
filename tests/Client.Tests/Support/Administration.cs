using System.Text;
using Sluice.Base.Buffers;
using Sluice.Base.Sasl;
using Sluice.Client.Administering;
using Sluice.Client.Connections;
using Sluice.Client.Producing;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Tests.Support;

/// <summary>Makes topics, and credentials, which the client itself does not.</summary>
internal static class Administration
{
    private const int Iterations = 4096;

    private static readonly ApiUse s_alterScram = new(KafkaApis.Get(KafkaApiKey.AlterUserScramCredentials), 0, 0);

    public static async Task CreateTopicAsync(string address, string name, int partitions, params (string Name, string Value)[] configs)
    {
        await using var admin = new KafkaAdmin(new AdminOptions { BootstrapServers = address });
        await admin.CreateTopicAsync(name, partitions, configs.ToDictionary(static config => config.Name, static config => config.Value));
    }

    /// <summary>Gives a user a credential for each kind of SCRAM.</summary>
    public static async Task UpsertScramAsync(string address, string user, string password)
    {
        byte[] salt = [.. Enumerable.Range(1, 16).Select(static i => (byte)i)];
        AlterUserScramCredentialsRequest.ScramCredentialUpsertion[] upsertions =
        [
            .. new[] { ScramAlgorithm.Sha256, ScramAlgorithm.Sha512 }.Select((algorithm, index) => new AlterUserScramCredentialsRequest.ScramCredentialUpsertion
            {
                Name = user,
                Mechanism = (sbyte)(index + 1),
                Iterations = Iterations,
                Salt = salt,
                SaltedPassword = algorithm.SaltedPassword(Encoding.UTF8.GetBytes(password), salt, Iterations),
            }),
        ];
        await using KafkaConnection connection = await ConnectAsync(address);

        // A request may change each user once.
        foreach (AlterUserScramCredentialsRequest.ScramCredentialUpsertion upsertion in upsertions)
        {
            AlterUserScramCredentialsResponse response = await connection.AskAsync<AlterUserScramCredentialsResponse>(s_alterScram, new AlterUserScramCredentialsRequest { Upsertions = [upsertion] });
            Assert.Equal(KafkaErrorCode.None, response.Results[0].ErrorCode);
        }
    }

    private static Task<KafkaConnection> ConnectAsync(string address) =>
        new Connector(new ProducerOptions { BootstrapServers = address }, new BufferPool()).ConnectAsync(BrokerAddress.ParseList(address)[0], CancellationToken.None);
}
