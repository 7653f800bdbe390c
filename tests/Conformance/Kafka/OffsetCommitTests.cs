using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>OffsetCommit of a client that is in no group: KIP-98, KIP-848 (topic ids).</summary>
public sealed class OffsetCommitTests(BrokerFixture broker) : KafkaTest(broker)
{
    [Theory]
    [InlineData(9)]
    [InlineData(10)]
    public async Task OffsetCommit_of_a_partition_that_is_not_there_is_refused_for_it_alone(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        string group = Name("group");
        await EventuallyAsync(async () => (await CommitAsync(group, topic, version, 0))[0] == KafkaErrorCode.None, "the group's coordinator serves");
        Assert.Equal(
            [KafkaErrorCode.None, KafkaErrorCode.UnknownTopicOrPartition, KafkaErrorCode.UnknownTopicOrPartition, KafkaErrorCode.None],
            await CommitAsync(group, topic, version, 1, 2, -1, 0));
    }

    private async Task<KafkaErrorCode[]> CommitAsync(string group, TestTopic topic, int version, params int[] partitions)
    {
        await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { CoordinatorKeys = [group] }, 6);
        var request = new OffsetCommitRequest
        {
            GroupId = group,
            GenerationIdOrMemberEpoch = -1,
            Topics =
            [
                new OffsetCommitRequest.OffsetCommitRequestTopic
                {
                    Name = topic.Name,
                    TopicId = topic.Id,
                    Partitions = [.. partitions.Select(static partition => new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = partition, CommittedOffset = 1, CommittedMetadata = "" })],
                },
            ],
        };
        OffsetCommitResponse response = await Client.AskAsync<OffsetCommitResponse>(request, version);
        return [.. Assert.Single(response.Topics).Partitions.Select(static partition => partition.ErrorCode)];
    }
}
