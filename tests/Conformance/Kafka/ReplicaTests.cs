using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Elections, reassignments and configuration resources, on one node: KIP-460, KIP-455, KIP-1142.</summary>
public sealed class ReplicaTests(BrokerFixture broker) : KafkaTest(broker)
{
    [Fact]
    public async Task KIP460_ElectLeaders_is_not_needed()
    {
        TestTopic topic = await TopicAsync();
        ElectLeadersResponse response = await Client.AskAsync<ElectLeadersResponse>(
            new ElectLeadersRequest { ElectionType = 0, TopicPartitions = [new ElectLeadersRequest.TopicPartitionsData { Topic = topic.Name, Partitions = [0, 9] }], TimeoutMs = 10_000 },
            2);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        Assert.Equal(
            [(0, KafkaErrorCode.ElectionNotNeeded), (9, KafkaErrorCode.UnknownTopicOrPartition)],
            Assert.Single(response.ReplicaElectionResults).PartitionResult.OrderBy(static partition => partition.PartitionId).Select(static partition => (partition.PartitionId, partition.ErrorCode)));

        // Asked for all, those are told that needed one.
        ElectLeadersResponse all = await Client.AskAsync<ElectLeadersResponse>(new ElectLeadersRequest { ElectionType = 0, TopicPartitions = null, TimeoutMs = 10_000 }, 2);
        Assert.Equal((KafkaErrorCode.None, 0), (all.ErrorCode, all.ReplicaElectionResults.Sum(static topic => topic.PartitionResult.Length)));
    }

    [Fact]
    public async Task KIP455_Reassignments()
    {
        TestTopic topic = await TopicAsync(5);
        int node = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 9)).Brokers[0].NodeId;
        AlterPartitionReassignmentsResponse response = await Client.AskAsync<AlterPartitionReassignmentsResponse>(
            new AlterPartitionReassignmentsRequest
            {
                TimeoutMs = 10_000,
                Topics =
                [
                    new AlterPartitionReassignmentsRequest.ReassignableTopic
                    {
                        Name = topic.Name,
                        Partitions = [Wanted(0, node), Wanted(1, null), Wanted(2), Wanted(3, node, 4711), Wanted(4, node, node), Wanted(9, node)],
                    },
                ],
            },
            0);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        Assert.Equal(
            [
                (0, KafkaErrorCode.None), (1, KafkaErrorCode.NoReassignmentInProgress), (2, KafkaErrorCode.InvalidReplicaAssignment), (3, KafkaErrorCode.InvalidReplicaAssignment),
                (4, KafkaErrorCode.InvalidReplicaAssignment), (9, KafkaErrorCode.UnknownTopicOrPartition),
            ],
            Assert.Single(response.Responses).Partitions.OrderBy(static partition => partition.PartitionIndex).Select(static partition => (partition.PartitionIndex, partition.ErrorCode)));
        ListPartitionReassignmentsResponse list = await Client.AskAsync<ListPartitionReassignmentsResponse>(new ListPartitionReassignmentsRequest { TimeoutMs = 10_000, Topics = null }, 0);
        Assert.Equal((KafkaErrorCode.None, 0), (list.ErrorCode, list.Topics.Length));
    }

    [Fact]
    public async Task KIP1142_ListConfigResources()
    {
        TestTopic topic = await TopicAsync();
        ListConfigResourcesResponse topics = await Client.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = [2] }, 1);
        Assert.Contains(topics.ConfigResources, resource => resource.ResourceName == topic.Name && resource.ResourceType == 2);
        Assert.All(topics.ConfigResources, static resource => Assert.Equal(2, resource.ResourceType));
        ListConfigResourcesResponse brokers = await Client.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = [4] }, 1);
        Assert.Equal(4, Assert.Single(brokers.ConfigResources).ResourceType);
        Assert.Equal(KafkaErrorCode.UnsupportedVersion, (await Client.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = [77] }, 1)).ErrorCode);
    }

    [Fact]
    public async Task KIP113_Replicas_are_moved_to_the_directory_where_they_are()
    {
        TestTopic topic = await TopicAsync();
        DescribeLogDirsResponse directories = await Client.AskAsync<DescribeLogDirsResponse>(new DescribeLogDirsRequest { Topics = null }, 4);
        string directory = Assert.Single(directories.Results).LogDir;
        Assert.Equal([(0, KafkaErrorCode.None)], await MoveAsync(topic, directory, 0));
        Assert.Equal([(0, KafkaErrorCode.LogDirNotFound)], await MoveAsync(topic, "/no/such/directory", 0));
        Assert.Equal([(9, KafkaErrorCode.UnknownTopicOrPartition)], await MoveAsync(topic, directory, 9));
        Assert.Equal([(0, KafkaErrorCode.UnknownTopicOrPartition)], await MoveAsync(topic with { Name = Name() }, directory, 0));
    }

    private async Task<IEnumerable<(int, KafkaErrorCode)>> MoveAsync(TestTopic topic, string directory, int partition)
    {
        AlterReplicaLogDirsResponse response = await Client.AskAsync<AlterReplicaLogDirsResponse>(
            new AlterReplicaLogDirsRequest { Dirs = [new AlterReplicaLogDirsRequest.AlterReplicaLogDir { Path = directory, Topics = [new AlterReplicaLogDirsRequest.AlterReplicaLogDirTopic { Name = topic.Name, Partitions = [partition] }] }] },
            2);
        return Assert.Single(response.Results).Partitions.Select(static moved => (moved.PartitionIndex, moved.ErrorCode));
    }

    private static AlterPartitionReassignmentsRequest.ReassignablePartition Wanted(int partition, params int[]? replicas) => new() { PartitionIndex = partition, Replicas = replicas };
}
