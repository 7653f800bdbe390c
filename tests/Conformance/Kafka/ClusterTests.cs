using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>What clients and operators ask about the cluster: DescribeCluster (KIP-700), DescribeQuorum (KIP-595, KIP-836, KIP-853), DescribeTopicPartitions (KIP-966), DescribeLogDirs (KIP-113), FindCoordinator (KIP-699), SASL.</summary>
public sealed class ClusterTests(BrokerFixture broker) : KafkaTest(broker)
{
    public static TheoryData<int> ClusterVersions => VersionsOf(KafkaApiKey.DescribeCluster);

    public static TheoryData<int> QuorumVersions => VersionsOf(KafkaApiKey.DescribeQuorum);

    public static TheoryData<int> LogDirVersions => VersionsOf(KafkaApiKey.DescribeLogDirs);

    public static TheoryData<int> CoordinatorVersions => VersionsOf(KafkaApiKey.FindCoordinator);

    [Theory]
    [MemberData(nameof(ClusterVersions))]
    public async Task KIP700_DescribeCluster(int version)
    {
        MetadataResponse metadata = await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12);
        DescribeClusterResponse response = await Client.AskAsync<DescribeClusterResponse>(new DescribeClusterRequest(), version);
        Assert.Equal((KafkaErrorCode.None, null, metadata.ClusterId, metadata.ControllerId), (response.ErrorCode, response.ErrorMessage, response.ClusterId, response.ControllerId));
        Assert.Equal((int.MinValue, 1), (response.ClusterAuthorizedOperations, response.EndpointType));
        DescribeClusterResponse.DescribeClusterBroker broker = Assert.Single(response.Brokers);
        Assert.Equal((metadata.ControllerId, Broker.Host, Broker.Port, null, false), (broker.BrokerId, broker.Host, broker.Port, broker.Rack, broker.IsFenced));
        response = await Client.AskAsync<DescribeClusterResponse>(new DescribeClusterRequest { IncludeClusterAuthorizedOperations = true, IncludeFencedBrokers = version >= 2 }, version);
        Assert.Equal(8096, response.ClusterAuthorizedOperations);
        Assert.Single(response.Brokers);
    }

    [Theory]
    [InlineData(2, KafkaErrorCode.MismatchedEndpointType)]
    [InlineData(3, KafkaErrorCode.UnsupportedEndpointType)]
    [InlineData(0, KafkaErrorCode.UnsupportedEndpointType)]
    public async Task KIP919_DescribeCluster_v1_of_other_endpoints(int type, KafkaErrorCode expected)
    {
        DescribeClusterResponse response = await Client.AskAsync<DescribeClusterResponse>(new DescribeClusterRequest { EndpointType = (sbyte)type }, 1);
        Assert.Equal(expected, response.ErrorCode);
        Assert.Empty(response.Brokers);
    }

    [Theory]
    [MemberData(nameof(QuorumVersions))]
    public async Task KIP595_DescribeQuorum(int version)
    {
        int nodeId = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12)).ControllerId;
        DescribeQuorumResponse response = await Client.AskAsync<DescribeQuorumResponse>(QuorumOf(("__cluster_metadata", 0)), version);
        Assert.Equal((KafkaErrorCode.None, ""), (response.ErrorCode, response.ErrorMessage));
        DescribeQuorumResponse.TopicData topic = Assert.Single(response.Topics);
        Assert.Equal("__cluster_metadata", topic.TopicName);
        DescribeQuorumResponse.PartitionData partition = Assert.Single(topic.Partitions);
        Assert.Equal((0, KafkaErrorCode.None, "", nodeId), (partition.PartitionIndex, partition.ErrorCode, partition.ErrorMessage, partition.LeaderId));
        Assert.True(partition.LeaderEpoch >= 0 && partition.HighWatermark >= 0);
        Assert.Empty(partition.Observers);
        DescribeQuorumResponse.ReplicaState voter = Assert.Single(partition.CurrentVoters);
        Assert.Equal(nodeId, voter.ReplicaId);
        Assert.True(voter.LogEndOffset >= partition.HighWatermark);
        if (version == 0)
        {
            Assert.Equal((-1, -1), (voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp));
        }
        else
        {
            // The leader itself has everything now.
            Assert.True(voter.LastFetchTimestamp > 1_700_000_000_000 && voter.LastCaughtUpTimestamp == voter.LastFetchTimestamp);
        }
        if (version >= 2)
        {
            DescribeQuorumResponse.Node node = Assert.Single(response.Nodes);
            Assert.Equal(nodeId, node.NodeId);
            Assert.NotEmpty(Assert.Single(node.Listeners).Name);
        }
        else
        {
            Assert.Empty(response.Nodes);
        }
    }

    [Theory]
    [InlineData("__cluster_metadata", 1)]
    [InlineData("other", 0)]
    public async Task KIP595_DescribeQuorum_of_what_is_not_the_metadata(string topic, int partition)
    {
        DescribeQuorumResponse response = await Client.AskAsync<DescribeQuorumResponse>(QuorumOf((topic, partition)), 2);
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        DescribeQuorumResponse.TopicData answered = Assert.Single(response.Topics);
        Assert.Equal((topic, partition, KafkaErrorCode.UnknownTopicOrPartition), (answered.TopicName, Assert.Single(answered.Partitions).PartitionIndex, answered.Partitions[0].ErrorCode));
    }

    [Theory]
    [MemberData(nameof(LogDirVersions))]
    public async Task KIP113_DescribeLogDirs(int version)
    {
        TestTopic topic = await TopicAsync(partitions: 2);
        byte[] batch = BatchBuilder.Of(new string('x', 1000));
        await AppendAsync(topic, batch, 1);
        foreach (bool all in (bool[])[true, false])
        {
            DescribeLogDirsResponse response = await Client.AskAsync<DescribeLogDirsResponse>(
                new DescribeLogDirsRequest { Topics = all ? null : [new DescribeLogDirsRequest.DescribableLogDirTopic { Topic = topic.Name, Partitions = [0, 1, 5] }] }, version);
            Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
            DescribeLogDirsResponse.DescribeLogDirsResult directory = Assert.Single(response.Results);
            Assert.Equal(KafkaErrorCode.None, directory.ErrorCode);
            DescribeLogDirsResponse.DescribeLogDirsTopic found = Assert.Single(directory.Topics, described => described.Name == topic.Name);
            Assert.Equal([(0, 0L), (1, batch.Length)], found.Partitions.Select(static partition => (partition.PartitionIndex, partition.PartitionSize)).Order());
            Assert.All(found.Partitions, static partition => Assert.Equal((0, false), (partition.OffsetLag, partition.IsFutureKey)));
            Assert.Equal(version >= 4, directory.UsableBytes > 0);

            // Sluice knows what is free, not how large the volume is; -1 says so.
            Assert.Equal(version >= 4 && BrokerFixture.IsKafka, directory.TotalBytes > 0);
        }
    }

    [Fact]
    public async Task KIP113_DescribeLogDirs_of_no_or_unknown_topics()
    {
        DescribeLogDirsResponse none = await Client.AskAsync<DescribeLogDirsResponse>(new DescribeLogDirsRequest { Topics = [] }, 4);
        Assert.Empty(Assert.Single(none.Results).Topics);
        DescribeLogDirsResponse unknown = await Client.AskAsync<DescribeLogDirsResponse>(
            new DescribeLogDirsRequest { Topics = [new DescribeLogDirsRequest.DescribableLogDirTopic { Topic = Name(), Partitions = [0] }] }, 4);
        Assert.Empty(Assert.Single(unknown.Results).Topics);
    }

    [Theory]
    [MemberData(nameof(CoordinatorVersions))]
    public async Task FindCoordinator_of_a_group_is_the_broker(int version)
    {
        string group = Name("group"), other = Name("group");
        FindCoordinatorResponse response = null!;
        await EventuallyAsync(
            async () =>
            {
                response = await Client.AskAsync<FindCoordinatorResponse>(version < 4 ? new FindCoordinatorRequest { Key = group } : new FindCoordinatorRequest { CoordinatorKeys = [group, other] }, version);
                return response.ErrorCode == KafkaErrorCode.None && response.Coordinators.All(static coordinator => coordinator.ErrorCode == KafkaErrorCode.None);
            },
            "coordinator");
        int node = (await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12)).ControllerId;
        if (version < 4)
        {
            Assert.Equal((node, Broker.Host, Broker.Port), (response.NodeId, response.Host, response.Port));
        }
        else
        {
            Assert.Equal([(group, node, Broker.Host, Broker.Port), (other, node, Broker.Host, Broker.Port)], response.Coordinators.Select(static found => (found.Key, found.NodeId, found.Host, found.Port)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(6)]
    public async Task FindCoordinator_of_an_unknown_type(int version)
    {
        FindCoordinatorRequest request = version < 4 ? new FindCoordinatorRequest { Key = "x", KeyType = 7 } : new FindCoordinatorRequest { CoordinatorKeys = ["x"], KeyType = 7 };
        FindCoordinatorResponse response = await Client.AskAsync<FindCoordinatorResponse>(request, version);
        KafkaErrorCode error = version < 4 ? response.ErrorCode : Assert.Single(response.Coordinators).ErrorCode;
        Assert.Equal(KafkaErrorCode.InvalidRequest, error);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("NO-SUCH")]
    public async Task KIP152_SaslHandshake_on_a_plaintext_listener(string mechanism)
    {
        SaslHandshakeResponse response = await Client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = mechanism }, 1);
        if (BrokerFixture.IsKafka)
        {
            // Whether there are logins is a listener's property there.
            Assert.Equal(KafkaErrorCode.IllegalSaslState, response.ErrorCode);
            return;
        }

        Assert.Equal(mechanism == "PLAIN" ? KafkaErrorCode.None : KafkaErrorCode.UnsupportedSaslMechanism, response.ErrorCode);
        Assert.Contains("PLAIN", response.Mechanisms);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task KIP152_SaslAuthenticate_without_a_handshake(int version)
    {
        SaslAuthenticateResponse response = await Client.AskAsync<SaslAuthenticateResponse>(new SaslAuthenticateRequest { AuthBytes = Bytes("\0guest\0guest") }, version);
        Assert.Equal(KafkaErrorCode.IllegalSaslState, response.ErrorCode);
        Assert.NotNull(response.ErrorMessage);
    }

    [Theory]
    [InlineData("\0guest\0guest", KafkaErrorCode.None)]
    [InlineData("guest\0guest\0guest", KafkaErrorCode.None)]
    [InlineData("\0guest\0wrong", KafkaErrorCode.SaslAuthenticationFailed)]
    [InlineData("\0nobody\0guest", KafkaErrorCode.SaslAuthenticationFailed)]
    [InlineData("nonsense", KafkaErrorCode.SaslAuthenticationFailed)]
    [InlineData("", KafkaErrorCode.SaslAuthenticationFailed)]
    public async Task KIP152_SaslAuthenticate_with_PLAIN(string token, KafkaErrorCode expected)
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has PLAIN on listeners for SASL only");
        await Client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = "PLAIN" }, 1);
        SaslAuthenticateResponse response = await Client.AskAsync<SaslAuthenticateResponse>(new SaslAuthenticateRequest { AuthBytes = Bytes(token) }, 2);
        Assert.Equal(expected, response.ErrorCode);
        if (expected == KafkaErrorCode.None)
        {
            Assert.Single((await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [] }, 12)).Brokers);
        }
        else
        {
            // Who has failed to log in is nobody, and is not heard.
            Assert.NotNull(response.ErrorMessage);
            await Client.IsClosedAsync();
        }
    }

    [Fact]
    public async Task KIP152_Requests_between_handshake_and_login_close_the_connection()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "Kafka has PLAIN on listeners for SASL only");
        await Client.AskAsync<SaslHandshakeResponse>(new SaslHandshakeRequest { Mechanism = "PLAIN" }, 1);
        await Client.SendAsync(new MetadataRequest { Topics = [] }, 12);
        await Client.IsClosedAsync();
    }

    private static DescribeQuorumRequest QuorumOf((string Name, int Partition) topic) =>
        new() { Topics = [new DescribeQuorumRequest.TopicData { TopicName = topic.Name, Partitions = [new DescribeQuorumRequest.PartitionData { PartitionIndex = topic.Partition }] }] };
}
