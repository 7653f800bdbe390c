using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>DeleteTopics: KIP-4, KIP-516 (by id).</summary>
public sealed class DeleteTopicsTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> Versions => VersionsOf(KafkaApiKey.DeleteTopics);

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task DeleteTopics_by_name(int version)
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("gone"));
        DeleteTopicsResponse.DeletableTopicResult result = await DeleteAsync(version, (topic.Name, Guid.Empty));
        Assert.Equal((topic.Name, KafkaErrorCode.None), (result.Name, result.ErrorCode));
        Assert.Equal(version >= 6 ? topic.Id : Guid.Empty, result.TopicId);
        await IsGoneAsync(topic);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task DeleteTopics_of_an_unknown_name(int version)
    {
        string name = Name();
        DeleteTopicsResponse.DeletableTopicResult result = await DeleteAsync(version, (name, Guid.Empty));
        Assert.Equal((name, KafkaErrorCode.UnknownTopicOrPartition, Guid.Empty), (result.Name, result.ErrorCode, result.TopicId));
    }

    [Fact]
    public async Task KIP516_DeleteTopics_v6_by_id()
    {
        TestTopic topic = await TopicAsync();
        DeleteTopicsResponse.DeletableTopicResult result = await DeleteAsync(6, (null, topic.Id));
        Assert.Equal((topic.Name, topic.Id, KafkaErrorCode.None), (result.Name, result.TopicId, result.ErrorCode));
        await IsGoneAsync(topic);
        result = await DeleteAsync(6, (null, topic.Id));
        Assert.Equal((null, topic.Id, KafkaErrorCode.UnknownTopicId), (result.Name, result.TopicId, result.ErrorCode));
    }

    [Fact]
    public async Task KIP516_DeleteTopics_v6_by_name_and_id_or_by_neither()
    {
        TestTopic topic = await TopicAsync();
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DeleteAsync(6, (topic.Name, topic.Id))).ErrorCode);
        Assert.Equal(KafkaErrorCode.InvalidRequest, (await DeleteAsync(6, (null, Guid.Empty))).ErrorCode);
        await AppendAsync(topic, BatchBuilder.Of("still there"));
    }

    [Theory]
    [InlineData("name")]
    [InlineData("id")]
    [InlineData("name and id")]
    public async Task DeleteTopics_v6_of_a_topic_named_twice_is_refused_for_it_alone(string by)
    {
        TestTopic twice = await TopicAsync(), once = await TopicAsync();
        (string?, Guid) first = by == "id" ? (null, twice.Id) : (twice.Name, Guid.Empty);
        (string?, Guid) second = by == "name" ? (twice.Name, Guid.Empty) : (null, twice.Id);
        DeleteTopicsResponse response = await Client.AskAsync<DeleteTopicsResponse>(Request(first, (once.Name, Guid.Empty), second), 6);
        Assert.Equal(KafkaErrorCode.None, response.Responses.Single(result => result.Name == once.Name).ErrorCode);
        Assert.All(response.Responses.Where(result => result.Name != once.Name), static result => Assert.Equal(KafkaErrorCode.InvalidRequest, result.ErrorCode));
        Assert.True(response.Responses.Length > 1);
        await AppendAsync(twice, BatchBuilder.Of("still there"));
        await IsGoneAsync(once);
    }

    [Fact]
    public async Task DeleteTopics_and_create_again_makes_another_topic()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("old"));
        await DeleteAsync(6, (topic.Name, Guid.Empty));
        await IsGoneAsync(topic);
        CreateTopicsResponse created = await Client.AskAsync<CreateTopicsResponse>(
            new CreateTopicsRequest { Topics = [new CreateTopicsRequest.CreatableTopic { Name = topic.Name, NumPartitions = 1, ReplicationFactor = 1 }], TimeoutMs = 10_000 }, 7);
        var again = new TestTopic(topic.Name, created.Topics[0].TopicId);
        Assert.NotEqual(topic.Id, again.Id);
        await IsReadyAsync(again.Name, 1);
        Assert.Empty(await ReadValuesAsync(again));
        Assert.Equal(KafkaErrorCode.UnknownTopicId, (await ProduceAsync(topic, BatchBuilder.Of("late"))).ErrorCode);
        Assert.Equal(0, await AppendAsync(again, BatchBuilder.Of("new")));
    }

    [Fact]
    public async Task DeleteTopics_wakes_a_fetch_that_waits()
    {
        TestTopic topic = await TopicAsync();
        FetchRequest fetch = Fetch(topic, (0, 0));
        fetch.MaxWaitMs = 600_000;
        RawClient consumer = await ConnectAsync();
        int id = await consumer.SendAsync(fetch, 13);
        await ServesAsync(Client);
        await DeleteAsync(6, (topic.Name, Guid.Empty));
        FetchResponse response = await consumer.ReceiveAsync<FetchResponse>(13, id);
        KafkaErrorCode error = response.Responses[0].Partitions[0].ErrorCode;
        Assert.Contains(error, new[] { KafkaErrorCode.UnknownTopicId, KafkaErrorCode.UnknownTopicOrPartition, KafkaErrorCode.NotLeaderOrFollower });
    }

    private static DeleteTopicsRequest Request(params (string? Name, Guid Id)[] topics) => new()
    {
        Topics = [.. topics.Select(static topic => new DeleteTopicsRequest.DeleteTopicState { Name = topic.Name, TopicId = topic.Id })],
        TimeoutMs = 10_000,
    };

    private async Task<DeleteTopicsResponse.DeletableTopicResult> DeleteAsync(int version, (string? Name, Guid Id) topic)
    {
        DeleteTopicsRequest request = version >= 6 ? Request(topic) : new DeleteTopicsRequest { TopicNames = [topic.Name!], TimeoutMs = 10_000 };
        return Assert.Single((await Client.AskAsync<DeleteTopicsResponse>(request, version)).Responses);
    }

    private Task IsGoneAsync(TestTopic topic) => EventuallyAsync(
        async () => (await ListOffsetsAsync(topic.Name, [(0, -1)]))[0].ErrorCode == KafkaErrorCode.UnknownTopicOrPartition
            && (await FetchAsync(topic, 0)).ErrorCode == KafkaErrorCode.UnknownTopicId,
        $"{topic.Name} deleted");
}
