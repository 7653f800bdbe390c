using Sluice.Base.Buffers;
using Sluice.Client.Connections;
using Sluice.Client.Producing;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Tests.Support;

/// <summary>Makes topics, which the client itself does not.</summary>
internal static class Topics
{
    private static readonly ApiUse s_createTopics = new(KafkaApis.Get(KafkaApiKey.CreateTopics), 2, 5);

    public static async Task CreateAsync(string address, string name, int partitions, params (string Name, string Value)[] configs)
    {
        var connector = new Connector(new ProducerOptions { BootstrapServers = address }, new BufferPool());
        await using KafkaConnection connection = await connector.ConnectAsync(BrokerAddress.ParseList(address)[0], CancellationToken.None);
        CreateTopicsResponse response = await connection.AskAsync<CreateTopicsResponse>(
            s_createTopics,
            new CreateTopicsRequest
            {
                Topics =
                [
                    new CreateTopicsRequest.CreatableTopic
                    {
                        Name = name,
                        NumPartitions = partitions,
                        ReplicationFactor = 1,
                        Configs = [.. configs.Select(config => new CreateTopicsRequest.CreatableTopicConfig { Name = config.Name, Value = config.Value })],
                    },
                ],
                TimeoutMs = 30_000,
            });
        Assert.Equal(KafkaErrorCode.None, response.Topics[0].ErrorCode);
    }
}
