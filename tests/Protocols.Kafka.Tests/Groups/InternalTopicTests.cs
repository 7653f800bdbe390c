using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Coordination;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>The topics in which coordinators keep their state, and their names.</summary>
public sealed class InternalTopicTests
{
    [Theory]
    [InlineData("__consumer_offsets")]
    [InlineData("__consumer_offsets:2")]
    [InlineData("__transaction_state")]
    [InlineData("__share_group_state")]
    public void No_queue_and_no_stream_of_a_client_can_have_its_name(string name)
    {
        using var fixture = new GroupFixture();
        foreach (Arguments arguments in new[] { Arguments.Empty, new Arguments(new Dictionary<string, object?> { ["x-queue-type"] = "stream" }) })
        {
            var definition = new QueueDefinition(name, Durable: true, Exclusive: false, AutoDelete: false, arguments);
            Assert.Equal(BrokerStatus.Forbidden, fixture.Run(fixture.Broker.FindVirtualHost("/")!.DeclareQueueAsync(definition, owner: null).AsTask()).Status);
        }

        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1));
    }

    [Theory]
    [InlineData(InternalTopics.Offsets)]
    [InlineData(InternalTopics.Transactions)]
    [InlineData(InternalTopics.Shares)]
    public void No_topic_of_a_client_can_have_its_name(string name)
    {
        using var fixture = new GroupFixture();
        var definition = new TopicDefinition(name, Guid.NewGuid(), new Dictionary<string, string>());
        Assert.Equal(BrokerStatus.Forbidden, fixture.Run(fixture.Broker.FindVirtualHost("/")!.CreateTopicAsync(definition, 1).AsTask()).Status);
    }

    [Fact]
    public void It_is_made_as_its_coordinator_needs_it_but_for_what_is_set()
    {
        TopicDefinition made = new InternalTopic(InternalTopics.Offsets, 50).Define(Guid.NewGuid(), new Dictionary<string, string> { [TopicConfig.SegmentBytes] = "1048576" });
        Assert.True(made.IsInternal);
        Assert.Equal((TopicConfig.Compact, "1048576"), (made.Config[TopicConfig.CleanupPolicy], made.Config[TopicConfig.SegmentBytes]));
        Assert.Equal("-1", new InternalTopic(InternalTopics.Shares, 50) { IsCompacted = false }.Define(Guid.NewGuid(), new Dictionary<string, string>()).Config[TopicConfig.RetentionMs]);
    }
}
