using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Metadata: KIP-4, KIP-430 (authorized operations), KIP-516 (topic ids).</summary>
public sealed class MetadataTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const int TopicOperations = 3576, ClusterOperations = 8096;

    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.Metadata);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Metadata_describes_a_topic_and_the_broker(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 3);
        MetadataRequest request = For(topic.Name);
        request.AllowAutoTopicCreation = version < 4;
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(request, version);
        MetadataResponse.MetadataResponseBroker broker = Assert.Single(response.Brokers);
        Assert.Equal((Broker.Host, Broker.Port), (broker.Host, broker.Port));
        Assert.Null(broker.Rack);
        if (version >= 1)
        {
            Assert.Equal(broker.NodeId, response.ControllerId);
        }

        if (version >= 2)
        {
            Assert.False(string.IsNullOrEmpty(response.ClusterId));
        }

        MetadataResponse.MetadataResponseTopic described = Assert.Single(response.Topics);
        Assert.Equal((KafkaErrorCode.None, topic.Name, false), (described.ErrorCode, described.Name, described.IsInternal));
        Assert.Equal(version >= 10 ? topic.Id : Guid.Empty, described.TopicId);
        Assert.Equal([0, 1, 2], described.Partitions.Select(static partition => partition.PartitionIndex).Order());
        Assert.All(described.Partitions, partition =>
        {
            Assert.Equal((KafkaErrorCode.None, broker.NodeId), (partition.ErrorCode, partition.LeaderId));
            Assert.Equal(version >= 7 ? 0 : -1, partition.LeaderEpoch);
            Assert.Equal([broker.NodeId], partition.ReplicaNodes);
            Assert.Equal([broker.NodeId], partition.IsrNodes);
            Assert.Empty(partition.OfflineReplicas);
        });
        Assert.Equal(int.MinValue, described.TopicAuthorizedOperations);
        Assert.Equal(int.MinValue, response.ClusterAuthorizedOperations);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Metadata_lists_all_topics(int version)
    {
        TestTopic topic = await TopicAsync();
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = version == 0 ? [] : null }, version);
        Assert.Contains(response.Topics, described => described.Name == topic.Name && described.Partitions.Length == 1);
    }

    [Fact]
    public async Task Metadata_v1_with_an_empty_list_names_no_topic()
    {
        await TopicAsync();
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 1);
        Assert.Empty(response.Topics);
        Assert.Single(response.Brokers);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(9)]
    [InlineData(13)]
    public async Task Metadata_of_an_unknown_topic_without_auto_creation(int version)
    {
        string name = Name();
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(For(name), version);
        MetadataResponse.MetadataResponseTopic described = Assert.Single(response.Topics);
        Assert.Equal((KafkaErrorCode.UnknownTopicOrPartition, name), (described.ErrorCode, described.Name));
        Assert.Empty(described.Partitions);
        Assert.Equal(Guid.Empty, described.TopicId);
        response = await Client.AskAsync<MetadataResponse>(For(name), version);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single(response.Topics).ErrorCode);
    }

    [Theory]
    [InlineData("__consumer_offsets")]
    [InlineData("__transaction_state")]
    [InlineData("__share_group_state")]
    public async Task Metadata_makes_the_brokers_own_topics_as_their_coordinators_need_them(string name)
    {
        MetadataRequest request = For(name);
        request.AllowAutoTopicCreation = true;
        await EventuallyAsync(
            async () => Assert.Single((await Client.AskAsync<MetadataResponse>(request, 9)).Topics) is { ErrorCode: KafkaErrorCode.None, IsInternal: true, Partitions.Length: > 1 },
            "the topic is there");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(13)]
    public async Task Metadata_makes_a_topic_where_the_client_lets_it(int version)
    {
        string name = Name();
        MetadataRequest request = For(name);
        request.AllowAutoTopicCreation = true;
        MetadataResponse.MetadataResponseTopic? described = null;
        await EventuallyAsync(
            async () =>
            {
                described = Assert.Single((await Client.AskAsync<MetadataResponse>(request, version)).Topics);
                Assert.Contains(described.ErrorCode, new[] { KafkaErrorCode.None, KafkaErrorCode.UnknownTopicOrPartition, KafkaErrorCode.LeaderNotAvailable });
                return described.ErrorCode == KafkaErrorCode.None;
            },
            "topic made");
        Assert.Single(described!.Partitions);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("é")]
    [InlineData("249+")]
    public async Task Metadata_of_a_name_that_cannot_be(string name)
    {
        name = name == "249+" ? new string('x', 250) : name;
        foreach (bool create in (bool[])[true, false])
        {
            MetadataRequest request = For(name);
            request.AllowAutoTopicCreation = create;
            MetadataResponse.MetadataResponseTopic described = Assert.Single((await Client.AskAsync<MetadataResponse>(request, 12)).Topics);
            Assert.Equal((KafkaErrorCode.InvalidTopicException, name), (described.ErrorCode, described.Name));
        }
    }

    [Fact]
    public async Task Metadata_of_a_topic_named_twice_describes_it_once()
    {
        TestTopic topic = await TopicAsync();
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(For(topic.Name, topic.Name), 12);
        Assert.Equal(topic.Name, Assert.Single(response.Topics).Name);
    }

    [Theory]
    [InlineData(12)]
    [InlineData(13)]
    public async Task KIP516_Metadata_by_topic_id(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        var request = new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { TopicId = topic.Id, Name = null }] };
        MetadataResponse.MetadataResponseTopic described = Assert.Single((await Client.AskAsync<MetadataResponse>(request, version)).Topics);
        Assert.Equal((KafkaErrorCode.None, topic.Name, topic.Id), (described.ErrorCode, described.Name, described.TopicId));
        Assert.Equal(2, described.Partitions.Length);
    }

    [Fact]
    public async Task KIP516_Metadata_by_an_unknown_topic_id()
    {
        var id = Guid.NewGuid();
        var request = new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { TopicId = id, Name = null }] };
        MetadataResponse.MetadataResponseTopic described = Assert.Single((await Client.AskAsync<MetadataResponse>(request, 12)).Topics);
        Assert.Equal((KafkaErrorCode.UnknownTopicId, null, id), (described.ErrorCode, described.Name, described.TopicId));
        Assert.Empty(described.Partitions);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(11)]
    public async Task KIP516_Metadata_by_topic_id_is_not_in_v10_and_v11(int version)
    {
        TestTopic topic = await TopicAsync();
        var request = new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { TopicId = topic.Id, Name = topic.Name }] };
        MetadataResponse.MetadataResponseTopic described = Assert.Single((await Client.AskAsync<MetadataResponse>(request, version)).Topics);
        Assert.Equal(KafkaErrorCode.InvalidRequest, described.ErrorCode);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    [InlineData(13)]
    public async Task KIP430_Metadata_tells_authorized_operations_when_asked(int version)
    {
        TestTopic topic = await TopicAsync();
        MetadataRequest request = For(topic.Name);
        request.IncludeTopicAuthorizedOperations = true;
        request.IncludeClusterAuthorizedOperations = version <= 10;
        MetadataResponse response = await Client.AskAsync<MetadataResponse>(request, version);
        Assert.Equal(TopicOperations, Assert.Single(response.Topics).TopicAuthorizedOperations);
        Assert.Equal(version <= 10 ? ClusterOperations : int.MinValue, response.ClusterAuthorizedOperations);
    }

    private static MetadataRequest For(params string[] topics) => new()
    {
        Topics = [.. topics.Select(static name => new MetadataRequest.MetadataRequestTopic { Name = name })],
        AllowAutoTopicCreation = false,
    };
}
