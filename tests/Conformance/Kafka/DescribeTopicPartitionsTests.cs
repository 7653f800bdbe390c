using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>DescribeTopicPartitions: KIP-966.</summary>
public sealed class DescribeTopicPartitionsTests(BrokerFixture broker) : KafkaTest(broker)
{
    [Fact]
    public async Task KIP966_DescribeTopicPartitions_of_topics_in_the_order_of_their_names()
    {
        string prefix = Name();
        TestTopic b = await TopicAsync(2, prefix + ".b"), a = await TopicAsync(1, prefix + ".a");
        DescribeTopicPartitionsResponse response = await DescribeAsync(2000, null, b.Name, prefix + ".none", a.Name, b.Name);
        Assert.Null(response.NextCursor);
        Assert.Equal(
            [(a.Name, KafkaErrorCode.None, a.Id, 1), (b.Name, KafkaErrorCode.None, b.Id, 2), (prefix + ".none", KafkaErrorCode.UnknownTopicOrPartition, Guid.Empty, 0)],
            response.Topics.Select(static topic => (topic.Name, topic.ErrorCode, topic.TopicId, topic.Partitions.Length)));
        Assert.Equal(3576, response.Topics[0].TopicAuthorizedOperations);
        int node = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12)).ControllerId;
        DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponsePartition partition = response.Topics[1].Partitions[1];
        Assert.Equal((1, node, 0, KafkaErrorCode.None), (partition.PartitionIndex, partition.LeaderId, partition.LeaderEpoch, partition.ErrorCode));
        Assert.Equal([node], partition.ReplicaNodes);
        Assert.Equal([node], partition.IsrNodes);
        Assert.Empty(partition.OfflineReplicas);
    }

    [Fact]
    public async Task KIP966_DescribeTopicPartitions_goes_on_from_its_cursor()
    {
        string prefix = Name();
        TestTopic a = await TopicAsync(3, prefix + ".a"), b = await TopicAsync(3, prefix + ".b");
        var seen = new List<(string?, int)>();
        DescribeTopicPartitionsResponse.Cursor? next = null;
        int rounds = 0;
        do
        {
            DescribeTopicPartitionsResponse response = await DescribeAsync(2, next is null ? null : (next.TopicName, next.PartitionIndex), a.Name, b.Name);
            Assert.InRange(response.Topics.Sum(static topic => topic.Partitions.Length), 1, 2);
            seen.AddRange(response.Topics.SelectMany(static topic => topic.Partitions.Select(partition => (topic.Name, partition.PartitionIndex))));
            next = response.NextCursor;
        }
        while (next is not null && ++rounds < 10);
        Assert.Equal([(a.Name, 0), (a.Name, 1), (a.Name, 2), (b.Name, 0), (b.Name, 1), (b.Name, 2)], seen);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-5, 1)]
    [InlineData(1, 1)]
    [InlineData(3, 3)]
    [InlineData(int.MaxValue, 4)]
    public async Task KIP966_DescribeTopicPartitions_limit(int limit, int expected)
    {
        TestTopic topic = await TopicAsync(4, Name());
        DescribeTopicPartitionsResponse response = await DescribeAsync(limit, null, topic.Name);
        Assert.Equal(expected, Assert.Single(response.Topics).Partitions.Length);
        Assert.Equal(expected < 4 ? expected : -1, response.NextCursor?.PartitionIndex ?? -1);
    }

    [Fact]
    public async Task KIP966_DescribeTopicPartitions_of_all_topics()
    {
        TestTopic topic = await TopicAsync(1, Name());
        DescribeTopicPartitionsResponse response = await DescribeAsync(2000, (topic.Name, 0));
        Assert.Equal(topic.Name, response.Topics[0].Name);
        Assert.Equal(response.Topics.Select(static described => described.Name).Order(StringComparer.Ordinal), response.Topics.Select(static described => described.Name));
    }

    [Fact]
    public async Task KIP966_DescribeTopicPartitions_of_a_cursor_at_the_end_of_a_topic()
    {
        string prefix = Name();
        TestTopic a = await TopicAsync(1, prefix + ".a"), b = await TopicAsync(1, prefix + ".b");
        DescribeTopicPartitionsResponse response = await DescribeAsync(10, (a.Name, 1), a.Name, b.Name);
        Assert.Equal([(a.Name, 0), (b.Name, 1)], response.Topics.Select(static topic => (topic.Name, topic.Partitions.Length)));
    }

    [Theory]
    [InlineData("partition -1")]
    [InlineData("topic not asked for")]
    public async Task KIP966_DescribeTopicPartitions_of_a_cursor_that_cannot_be(string what)
    {
        TestTopic topic = await TopicAsync(1, Name());
        DescribeTopicPartitionsResponse response = await DescribeAsync(10, what == "partition -1" ? (topic.Name, -1) : ("conformance.a", 0), topic.Name);
        Assert.Equal(KafkaErrorCode.InvalidRequest, Assert.Single(response.Topics).ErrorCode);
    }

    private async Task<TestTopic> TopicAsync(int partitions, string name)
    {
        CreateTopicsResponse created = await Client.AskAsync<CreateTopicsResponse>(
            new CreateTopicsRequest { Topics = [new CreateTopicsRequest.CreatableTopic { Name = name, NumPartitions = partitions, ReplicationFactor = 1 }], TimeoutMs = 10_000 }, 7);
        await IsReadyAsync(name, partitions);
        return new TestTopic(name, created.Topics[0].TopicId);
    }

    private Task<DescribeTopicPartitionsResponse> DescribeAsync(int limit, (string Topic, int Partition)? cursor, params string[] topics) => Client.AskAsync<DescribeTopicPartitionsResponse>(
        new DescribeTopicPartitionsRequest
        {
            Topics = [.. topics.Select(static name => new DescribeTopicPartitionsRequest.TopicRequest { Name = name })],
            ResponsePartitionLimit = limit,
            Cursor = cursor is { } from ? new DescribeTopicPartitionsRequest.CursorData { TopicName = from.Topic, PartitionIndex = from.Partition } : null,
        },
        0);
}
