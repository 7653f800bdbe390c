using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Configurations of consumer groups (KIP-848) and how often groups are assigned anew (KIP-1263).</summary>
public sealed class GroupConfigsTests(BrokerFixture broker) : ShareTest(broker)
{
    [Theory]
    [InlineData("consumer.session.timeout.ms", "45000", 45_000, 60_000)]
    [InlineData("consumer.heartbeat.interval.ms", "5000", 5000, 15_000)]
    [InlineData("consumer.assignment.interval.ms", "1000", 0, 15_000)]
    [InlineData("share.assignment.interval.ms", "1000", 0, 15_000)]
    public async Task Values_have_limits_and_defaults(string key, string byDefault, int min, int max)
    {
        string group = Name("group");
        foreach (int wrong in (int[])[min - 1, max + 1])
        {
            Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, (key, $"{wrong}"))).Error);
        }

        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(group, (key, "soon"))).Error);
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, (key, $"{max}")));
        await EventuallyAsync(async () => await ValueAsync(group, key) == $"{max}", "the value told");
        ListConfigResourcesResponse listed = await Client.AskAsync<ListConfigResourcesResponse>(new ListConfigResourcesRequest { ResourceTypes = [GroupResource] }, 1);
        Assert.Contains((group, GroupResource), listed.ConfigResources.Select(static resource => (resource.ResourceName, resource.ResourceType)));
        Assert.Equal(byDefault, await ValueAsync(Name("group"), key));
    }

    [Fact]
    public async Task KIP339_Changes_of_different_keys_at_once_are_all_made()
    {
        (string Key, string Value)[] changes =
        [
            ("consumer.session.timeout.ms", "50000"), ("consumer.heartbeat.interval.ms", "6000"), ("consumer.assignment.interval.ms", "2000"), ("share.assignment.interval.ms", "3000"),
        ];
        RawClient[] clients = [await ConnectAsync(), await ConnectAsync(), await ConnectAsync(), await ConnectAsync()];
        for (int round = 0; round < 10; round++)
        {
            string group = Name("group");
            await Task.WhenAll(changes.Zip(clients).Select(pair => pair.Second.AskAsync<IncrementalAlterConfigsResponse>(
                new IncrementalAlterConfigsRequest
                {
                    Resources = [new() { ResourceType = GroupResource, ResourceName = group, Configs = [new() { Name = pair.First.Key, Value = pair.First.Value }] }],
                },
                1)));
            foreach ((string key, string value) in changes)
            {
                await EventuallyAsync(async () => await ValueAsync(group, key) == value, $"{key} of round {round}");
            }
        }
    }

    [Fact]
    public async Task Keys_that_are_not_there_are_refused()
    {
        Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(Name("group"), ("consumer.nothing", "1"))).Error);
        if (!BrokerFixture.IsKafka)
        {
            // Kafka serves streams groups.
            Assert.Equal(KafkaErrorCode.InvalidConfig, (await ConfigureAsync(Name("group"), ("streams.session.timeout.ms", "50000"))).Error);
        }
    }

    [Fact]
    public async Task KIP848_Members_are_told_the_configured_heartbeat_interval()
    {
        TestTopic topic = await TopicAsync();
        string group = Name("group");
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, ("consumer.heartbeat.interval.ms", "7000")));
        var member = new ConsumerMember(await ConnectAsync(), group, topic.Name);
        Assert.Equal(KafkaErrorCode.None, await member.JoinAsync());
        await EventuallyAsync(async () => await member.HeartbeatAsync() == KafkaErrorCode.None && member.Last.HeartbeatIntervalMs == 7000, "7 s");
    }

    [Fact]
    public async Task KIP1263_A_group_is_not_assigned_anew_before_its_interval_is_over()
    {
        TestTopic topic = await TopicAsync(2);
        string group = Name("group");
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, ("consumer.assignment.interval.ms", "15000")));
        await EventuallyAsync(async () => await ValueAsync(group, "consumer.assignment.interval.ms") == "15000", "the interval");
        ConsumerMember a = new(await ConnectAsync(), group, topic.Name), b = new(await ConnectAsync(), group, topic.Name);
        Assert.Equal((KafkaErrorCode.None, 2), (await a.JoinAsync(), a.Owned.Count));
        Assert.Equal((KafkaErrorCode.None, 0), (await b.JoinAsync(), b.Owned.Count));
        ConsumerGroupDescribeResponse.DescribedGroup described = await DescribeAsync(group);
        Assert.Equal(("Assigning", described.AssignmentEpoch + 1), (described.GroupState, described.GroupEpoch));
        Assert.Equal((KafkaErrorCode.None, 2), (await a.HeartbeatAsync(), a.Owned.Count));

        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, ("consumer.assignment.interval.ms", "0")));
        await EventuallyAsync(async () => await a.HeartbeatAsync() == KafkaErrorCode.None && await b.HeartbeatAsync() == KafkaErrorCode.None && (a.Owned.Count, b.Owned.Count) == (1, 1), "one partition for each");
    }

    [Fact]
    public async Task KIP1263_A_share_group_is_not_assigned_anew_before_its_interval_is_over()
    {
        TestTopic topic = await TopicAsync(2);
        string group = await GroupAsync(("share.assignment.interval.ms", "15000"));
        await EventuallyAsync(async () => await ValueAsync(group, "share.assignment.interval.ms") == "15000", "the interval");
        await MemberAsync(group, topic, partitions: 2);
        var second = new ShareMember(await ConnectAsync(), group, topic);
        ShareGroupHeartbeatResponse joined = await second.HeartbeatAsync(0, tellsTopics: true);
        Assert.Equal((KafkaErrorCode.None, 0), (joined.ErrorCode, joined.Assignment?.TopicPartitions.Length ?? 0));
        Assert.Equal((KafkaErrorCode.None, null), await ConfigureAsync(group, ("share.assignment.interval.ms", "0")));
        int epoch = joined.MemberEpoch;
        await EventuallyAsync(
            async () =>
            {
                ShareGroupHeartbeatResponse response = await second.HeartbeatAsync(epoch, tellsTopics: true);
                epoch = response.MemberEpoch;
                return response.Assignment?.TopicPartitions.Length > 0;
            },
            "an assignment");
    }

    private async Task<string?> ValueAsync(string group, string key)
    {
        DescribeConfigsResponse response = await Client.AskAsync<DescribeConfigsResponse>(
            new DescribeConfigsRequest { Resources = [new() { ResourceType = GroupResource, ResourceName = group, ConfigurationKeys = [key] }] }, 4);
        return Assert.Single(Assert.Single(response.Results).Configs).Value;
    }

    private async Task<ConsumerGroupDescribeResponse.DescribedGroup> DescribeAsync(string group) =>
        Assert.Single((await Client.AskAsync<ConsumerGroupDescribeResponse>(new ConsumerGroupDescribeRequest { GroupIds = [group] }, 1)).Groups);
}
