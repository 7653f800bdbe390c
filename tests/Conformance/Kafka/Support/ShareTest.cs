using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>A test of share groups: KIP-932.</summary>
public abstract class ShareTest(BrokerFixture broker) : KafkaTest(broker)
{
    protected const sbyte GroupResource = 32;

    private const int CoordinatorsMax = 16;

    /// <summary>Waits until groups are served: the topic that keeps them may have to be made first.</summary>
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        for (int i = 0; i < CoordinatorsMax; i++)
        {
            string group = $"{i}";
            await EventuallyAsync(
                async () =>
                {
                    await Client.AskAsync<FindCoordinatorResponse>(new FindCoordinatorRequest { KeyType = 0, CoordinatorKeys = [group] }, 6);
                    return (await Client.AskAsync<ShareGroupHeartbeatResponse>(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = 1 }, 1)).ErrorCode == KafkaErrorCode.GroupIdNotFound;
                },
                "groups are served");
        }
    }

    /// <summary>A group that begins with the oldest records.</summary>
    protected async Task<string> GroupAsync(params (string Key, string Value)[] configs)
    {
        string group = Name("share");
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, [("share.auto.offset.reset", "earliest"), .. configs]));
        return group;
    }

    protected async Task<(KafkaErrorCode Error, string? Message)> ConfigureAsync(string group, params (string Key, string Value)[] configs)
    {
        IncrementalAlterConfigsResponse response = await Client.AskAsync<IncrementalAlterConfigsResponse>(
            new IncrementalAlterConfigsRequest
            {
                Resources =
                [
                    new IncrementalAlterConfigsRequest.AlterConfigsResource
                    {
                        ResourceType = GroupResource,
                        ResourceName = group,
                        Configs = [.. configs.Select(static config => new IncrementalAlterConfigsRequest.AlterableConfig { Name = config.Key, Value = config.Value })],
                    },
                ],
            },
            1);
        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse result = Assert.Single(response.Responses);
        return (result.ErrorCode, result.ErrorMessage);
    }

    /// <summary>A member that has joined, on a connection of its own.</summary>
    protected async Task<ShareMember> MemberAsync(string group, TestTopic topic, RawClient? client = null, int partitions = 1)
    {
        var member = new ShareMember(client ?? await ConnectAsync(), group, topic);
        await member.JoinAsync(partitions);
        return member;
    }

    /// <summary>A group with one member that has fetched everything that was sent, each batch as large as said.</summary>
    protected async Task<(string Group, TestTopic Topic, ShareMember Member)> AcquiredAsync(params int[] batches) => await AcquiredAsync(await ConnectAsync(), batches);

    protected async Task<(string Group, TestTopic Topic, ShareMember Member)> AcquiredAsync(RawClient client, params int[] batches)
    {
        TestTopic topic = await TopicAsync();
        int next = 0;
        foreach (int size in batches)
        {
            await AppendAsync(topic, BatchBuilder.Of([.. Enumerable.Range(next, size).Select(static number => $"{number}")]));
            next += size;
        }

        string group = await GroupAsync();
        ShareMember member = await MemberAsync(group, topic, client);
        Assert.Equal($"0-{next - 1}:1", await member.AcquireAsync());
        return (group, topic, member);
    }

    /// <summary>Where the group is in partition 0, and how much is left for it to do. Kafka tells where it was before the last that was acknowledged, but what is left is right.</summary>
    protected async Task<(long StartOffset, long Lag)> PositionAsync(string group, TestTopic topic)
    {
        DescribeShareGroupOffsetsResponse response = await Client.AskAsync<DescribeShareGroupOffsetsResponse>(
            new DescribeShareGroupOffsetsRequest
            {
                Groups =
                [
                    new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup
                    {
                        GroupId = group,
                        Topics = [new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestTopic { TopicName = topic.Name, Partitions = [0] }],
                    },
                ],
            },
            1);
        DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseGroup described = Assert.Single(response.Groups);
        Assert.Equal((KafkaErrorCode.None, group), (described.ErrorCode, described.GroupId));
        DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponsePartition partition = Assert.Single(Assert.Single(described.Topics).Partitions);
        Assert.Equal(KafkaErrorCode.None, partition.ErrorCode);
        return (partition.StartOffset, partition.Lag);
    }
}
