using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Membership and administration of share groups: KIP-932, KIP-1043.</summary>
public sealed class ShareGroupTests(BrokerFixture broker) : ShareTest(broker)
{
    [Fact]
    public async Task KIP932_Heartbeats_that_make_no_sense_are_refused()
    {
        TestTopic topic = await TopicAsync();
        string group = Name("share");
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = 0 }));
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "", MemberEpoch = 0, SubscribedTopicNames = [topic.Name] }));
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = "", MemberId = "a", MemberEpoch = 0, SubscribedTopicNames = [topic.Name] }));
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = 0, RackId = "", SubscribedTopicNames = [topic.Name] }));
        Assert.Equal(KafkaErrorCode.InvalidRequest, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = -2 }));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = 1 }));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = -1 }));
        ShareMember member = await MemberAsync(group, topic);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, await ErrorAsync(new ShareGroupHeartbeatRequest { GroupId = group, MemberId = "a", MemberEpoch = 1 }));
        Assert.Equal(KafkaErrorCode.FencedMemberEpoch, (await member.HeartbeatAsync(99)).ErrorCode);

        async Task<KafkaErrorCode> ErrorAsync(ShareGroupHeartbeatRequest request) => (await Client.AskAsync<ShareGroupHeartbeatResponse>(request, 1)).ErrorCode;
    }

    [Fact]
    public async Task KIP932_Groups_are_described_and_listed()
    {
        TestTopic topic = await TopicAsync();
        string group = await GroupAsync();
        ShareMember member = await MemberAsync(group, topic);
        ShareGroupDescribeResponse.DescribedGroup described = await DescribeAsync(group);
        Assert.Equal((KafkaErrorCode.None, "Stable", "simple"), (described.ErrorCode, described.GroupState, described.AssignorName));
        ShareGroupDescribeResponse.Member one = Assert.Single(described.Members);
        Assert.Equal((member.Id, "conformance", true), (one.MemberId, one.ClientId, described.GroupEpoch >= one.MemberEpoch));
        Assert.Equal([topic.Name], one.SubscribedTopicNames);
        Assert.Equal((topic.Id, topic.Name), (Assert.Single(one.Assignment.TopicPartitions).TopicId, one.Assignment.TopicPartitions[0].TopicName));
        Assert.Equal("share", Assert.Single(await ListAsync(["share"], ["stable"]), listed => listed.GroupId == group).GroupType);
        Assert.DoesNotContain(await ListAsync(["consumer", "classic"], []), listed => listed.GroupId == group);
        Assert.Equal(KafkaErrorCode.None, (await member.LeaveAsync()).ErrorCode);
        Assert.Equal("Empty", (await DescribeAsync(group)).GroupState);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, (await DescribeAsync(Name("share"))).ErrorCode);
    }

    [Fact]
    public async Task KIP932_Groups_with_members_are_not_deleted_and_others_are_with_all_they_know()
    {
        RawClient client = await ConnectAsync();
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(client, 3);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 2, ShareAck.Accept)));
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, await DeleteAsync(group));
        await member.LeaveAsync();
        await client.DisposeAsync();
        Assert.Equal(KafkaErrorCode.None, await DeleteAsync(group));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, (await DescribeAsync(group)).ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, await DeleteAsync(group));
        Assert.Equal("0-2:1", await (await MemberAsync(group, topic)).AcquireAsync());
    }

    [Fact]
    public async Task KIP932_Offsets_are_altered_and_deleted_while_there_are_no_members()
    {
        RawClient client = await ConnectAsync();
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(client, 3, 3);
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, (await AlterAsync(group, topic, 1)).ErrorCode);
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, (await DeleteOffsetsAsync(group, topic.Name)).ErrorCode);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 5, ShareAck.Accept)));
        member.SessionEpoch = -1;
        await member.AskAsync(member.FetchRequest());
        await member.LeaveAsync();
        await client.DisposeAsync();
        AlterShareGroupOffsetsResponse altered = await AlterAsync(group, topic, 4);
        Assert.Equal((KafkaErrorCode.None, topic.Id), (altered.ErrorCode, Assert.Single(altered.Responses).TopicId));
        Assert.Equal(KafkaErrorCode.None, Assert.Single(altered.Responses[0].Partitions).ErrorCode);
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).StartOffset == 4, "the start was set");
        member = await MemberAsync(group, topic);
        ShareFetchResponse.PartitionData data = await member.FetchAsync();
        Assert.Equal((4, 5), (data.AcquiredRecords[0].FirstOffset, data.AcquiredRecords[^1].LastOffset));
        await member.LeaveAsync();

        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single((await DeleteOffsetsAsync(group, Name())).Responses).ErrorCode);
        DeleteShareGroupOffsetsResponse deleted = await DeleteOffsetsAsync(group, topic.Name);
        Assert.Equal((KafkaErrorCode.None, KafkaErrorCode.None, topic.Id), (deleted.ErrorCode, Assert.Single(deleted.Responses).ErrorCode, deleted.Responses[0].TopicId));
        Assert.Equal(-1, (await PositionAsync(group, topic)).StartOffset);
        Assert.Equal(KafkaErrorCode.UnknownTopicOrPartition, Assert.Single((await DeleteOffsetsAsync(group, topic.Name)).Responses).ErrorCode);
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, (await DeleteOffsetsAsync(Name("share"), topic.Name)).ErrorCode);
    }

    [Fact]
    public async Task KIP932_Offsets_of_all_topics_are_described()
    {
        (string group, TestTopic topic, _) = await AcquiredAsync(3);
        DescribeShareGroupOffsetsResponse response = await Client.AskAsync<DescribeShareGroupOffsetsResponse>(
            new DescribeShareGroupOffsetsRequest { Groups = [new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup { GroupId = group, Topics = null }] },
            1);
        DescribeShareGroupOffsetsResponse.DescribeShareGroupOffsetsResponseTopic only = Assert.Single(Assert.Single(response.Groups).Topics);
        Assert.Equal((topic.Name, topic.Id, 0), (only.TopicName, only.TopicId, Assert.Single(only.Partitions).PartitionIndex));
    }

    [Fact]
    public async Task KIP932_Topics_that_are_deleted_are_forgotten()
    {
        RawClient client = await ConnectAsync();
        (string group, TestTopic topic, ShareMember member) = await AcquiredAsync(client, 3);
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 2, ShareAck.Accept)));
        DeleteTopicsRequest delete = new() { Topics = [new DeleteTopicsRequest.DeleteTopicState { Name = topic.Name }], TimeoutMs = 10_000 };
        Assert.Equal(KafkaErrorCode.None, (await Client.AskAsync<DeleteTopicsResponse>(delete, 6)).Responses[0].ErrorCode);
        await EventuallyAsync(
            async () =>
            {
                DescribeShareGroupOffsetsRequest describe = new() { Groups = [new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup { GroupId = group, Topics = null }] };
                return (await Client.AskAsync<DescribeShareGroupOffsetsResponse>(describe, 1)).Groups[0].Topics.Length == 0;
            },
            "the topic is forgotten");
        await EventuallyAsync(async () => (await member.HeartbeatAsync(0, tellsTopics: true)).Assignment?.TopicPartitions.Length == 0, "nothing is assigned");
    }

    [Fact]
    public async Task KIP932_Configurations_of_groups_are_checked()
    {
        string group = Name("share");
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, ("share.nothing", "1"))).Error);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, ("share.record.lock.duration.ms", "10"))).Error);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, ("share.delivery.count.limit", "11"))).Error);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, ("share.auto.offset.reset", "none"))).Error);
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, ("share.isolation.level", "dirty"))).Error);
        Assert.Equal(KafkaErrorCode.None, (await ConfigureAsync(group, ("share.auto.offset.reset", "by_duration:PT1H"), ("share.isolation.level", "read_committed"))).Error);
        await EventuallyAsync(async () => (await ConfigsAsync(group)).GetValueOrDefault("share.isolation.level") == ("read_committed", (sbyte)8), "the configuration was set");
        Dictionary<string, (string Value, sbyte Source)> configs = await ConfigsAsync(group);
        Assert.Equal(("by_duration:PT1H", (sbyte)8), configs["share.auto.offset.reset"]);
        foreach ((string name, string value) in (ReadOnlySpan<(string, string)>)
            [("share.record.lock.duration.ms", "30000"), ("share.delivery.count.limit", "5"), ("share.partition.max.record.locks", "2000"), ("share.session.timeout.ms", "45000"), ("share.heartbeat.interval.ms", "5000"), ("share.renew.acknowledge.enable", "true")])
        {
            Assert.Equal(value, configs[name].Value);
        }
    }

    private async Task<ShareGroupDescribeResponse.DescribedGroup> DescribeAsync(string group) =>
        Assert.Single((await Client.AskAsync<ShareGroupDescribeResponse>(new ShareGroupDescribeRequest { GroupIds = [group] }, 1)).Groups);

    private async Task<ListGroupsResponse.ListedGroup[]> ListAsync(string[] types, string[] states) =>
        (await Client.AskAsync<ListGroupsResponse>(new ListGroupsRequest { TypesFilter = types, StatesFilter = states }, 5)).Groups;

    private async Task<KafkaErrorCode> DeleteAsync(string group) =>
        Assert.Single((await Client.AskAsync<DeleteGroupsResponse>(new DeleteGroupsRequest { GroupsNames = [group] }, 2)).Results).ErrorCode;

    private Task<AlterShareGroupOffsetsResponse> AlterAsync(string group, TestTopic topic, long offset) => Client.AskAsync<AlterShareGroupOffsetsResponse>(
        new AlterShareGroupOffsetsRequest
        {
            GroupId = group,
            Topics =
            [
                new AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestTopic
                {
                    TopicName = topic.Name,
                    Partitions = [new AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestPartition { PartitionIndex = 0, StartOffset = offset }],
                },
            ],
        },
        0);

    private Task<DeleteShareGroupOffsetsResponse> DeleteOffsetsAsync(string group, string topic) => Client.AskAsync<DeleteShareGroupOffsetsResponse>(
        new DeleteShareGroupOffsetsRequest { GroupId = group, Topics = [new DeleteShareGroupOffsetsRequest.DeleteShareGroupOffsetsRequestTopic { TopicName = topic }] },
        0);

    private async Task<Dictionary<string, (string Value, sbyte Source)>> ConfigsAsync(string group)
    {
        DescribeConfigsResponse response = await Client.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest { Resources = [new DescribeConfigsRequest.DescribeConfigsResource { ResourceType = GroupResource, ResourceName = group, ConfigurationKeys = null }] },
            4);
        DescribeConfigsResponse.DescribeConfigsResult result = Assert.Single(response.Results);
        Assert.Equal(KafkaErrorCode.None, result.ErrorCode);
        return result.Configs.ToDictionary(static config => config.Name, static config => (config.Value ?? "", config.ConfigSource));
    }
}
