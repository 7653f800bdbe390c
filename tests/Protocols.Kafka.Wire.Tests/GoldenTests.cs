using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Protocols.Kafka.Wire.Tests.Support;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Bytes as Kafka 4.3.1's own classes write them for the same values.</summary>
public sealed class GoldenTests
{
    private const string LongHost = "broker-two.example.org-with-a-name-that-is-long-enough-to-need-two-octets-for-the-size-of-the-tagged-field-that-it-is-part-of-here";

    private static readonly Guid Id = Guid.Parse("01020304-0506-0708-090a-0b0c0d0e0f10");

    [Theory]
    [InlineData(3, null, "ffffffff000075300000000100066f7264657273000000020000000700000005010203040500000008ffffffff")]
    [InlineData(9, "tx", "037478ffff0000753002076f72646572730300000007060102030405000000000800000000")]
    [InlineData(13, null, "00ffff00007530020102030405060708090a0b0c0d0e0f100300000007060102030405000000000800000000")]
    public void Produce_request(short version, string? transactionalId, string hex) => Check(
        new ProduceRequest
        {
            TransactionalId = transactionalId,
            Acks = -1,
            TimeoutMs = 30000,
            TopicData =
            [
                new()
                {
                    Name = version <= 12 ? "orders" : "",
                    TopicId = version >= 13 ? Id : default,
                    PartitionData = [new() { Index = 7, Records = new byte[] { 1, 2, 3, 4, 5 } }, new() { Index = 8 }],
                },
            ],
        },
        version,
        hex);

    [Theory]
    [InlineData(4, "0000000b0000000100066f7264657273000000020000000100000000000000000064000000000000005a0000000100000000000000050000000000000032000000030102030000000200000000000000000005ffffffffffffffff0000000000000000")]
    [InlineData(12, "0000000b00000000004d02076f7264657273030000000100060000000000000064000000000000005a000000000000000a02000000000000000500000000000000320000000003040102030101090000000200000009000000000200000000000000000005ffffffffffffffffffffffffffffffff01ffffffff01000000")]
    [InlineData(16, "0000000b00000000004d020102030405060708090a0b0c0d0e0f10030000000100060000000000000064000000000000005a000000000000000a02000000000000000500000000000000320000000003040102030101090000000200000009000000000200000000000000000005ffffffffffffffffffffffffffffffff01ffffffff010000010090010200000002830162726f6b65722d74776f2e6578616d706c652e6f72672d776974682d612d6e616d652d746861742d69732d6c6f6e672d656e6f7567682d746f2d6e6565642d74776f2d6f63746574732d666f722d7468652d73697a652d6f662d7468652d7461676765642d6669656c642d746861742d69742d69732d706172742d6f662d6865726500002384027200")]
    public void Fetch_response(short version, string hex)
    {
        bool hasLeader = version >= 12;
        Check(
            new FetchResponse
            {
                ThrottleTimeMs = 11,
                SessionId = version >= 7 ? 77 : 0,
                Responses =
                [
                    new()
                    {
                        Topic = version <= 12 ? "orders" : "",
                        TopicId = version >= 13 ? Id : default,
                        Partitions =
                        [
                            new()
                            {
                                PartitionIndex = 1,
                                ErrorCode = hasLeader ? KafkaErrorCode.NotLeaderOrFollower : KafkaErrorCode.None,
                                HighWatermark = 100,
                                LastStableOffset = 90,
                                LogStartOffset = version >= 5 ? 10 : -1,
                                Records = new byte[] { 1, 2, 3 },
                                AbortedTransactions = [new() { ProducerId = 5, FirstOffset = 50 }],
                                CurrentLeader = hasLeader ? new() { LeaderId = 2, LeaderEpoch = 9 } : null,
                                PreferredReadReplica = hasLeader ? 3 : -1,
                            },
                            new() { PartitionIndex = 2, HighWatermark = 5, Records = RecordsPayload.Empty, AbortedTransactions = [] },
                        ],
                    },
                ],
                NodeEndpoints = version >= 16 ? [new() { NodeId = 2, Host = LongHost, Port = 9092, Rack = "r" }] : [],
            },
            version,
            hex);
    }

    [Theory]
    [InlineData(0, "000000010000000100016800002384" + "00000001000000066f726465727300000001000000000003000000010000000200000001000000020000000100000001")]
    [InlineData(9, "00000001020000000102680000238402610008636c757374657200000001020000076f726465727301020000000000030000000100000004030000000100000002020000000102000000020080000000008000000000")]
    [InlineData(13, "00000001020000000102680000238402610008636c757374657200000001030000076f72646572730102030405060708090a0b0c0d0e0f1001020000000000030000000100000004030000000100000002020000000102000000020080000000000064000102030405060708090a0b0c0d0e0f1000018000000000000000")]
    public void Metadata_response(short version, string hex)
    {
        MetadataResponse.MetadataResponseTopic orders = new()
        {
            Name = "orders",
            TopicId = version >= 10 ? Id : default,
            IsInternal = version >= 1,
            Partitions =
            [
                new()
                {
                    PartitionIndex = 3,
                    LeaderId = 1,
                    LeaderEpoch = version >= 7 ? 4 : -1,
                    ReplicaNodes = [1, 2],
                    IsrNodes = [1],
                    OfflineReplicas = version >= 5 ? [2] : [],
                },
            ],
        };
        MetadataResponse.MetadataResponseTopic unknown = new() { ErrorCode = KafkaErrorCode.UnknownTopicId, Name = null, TopicId = Id };
        Check(
            new MetadataResponse
            {
                ThrottleTimeMs = version >= 3 ? 1 : 0,
                Brokers = [new() { NodeId = 1, Host = "h", Port = 9092, Rack = version > 0 ? "a" : null }],
                ClusterId = version >= 2 ? "cluster" : null,
                ControllerId = version >= 1 ? 1 : -1,
                Topics = version >= 12 ? [orders, unknown] : [orders],
            },
            version,
            hex);
    }

    [Theory]
    [InlineData(0, "002300000001001200000004")]
    [InlineData(3, "0023020012000000040000000002040014020e67726f75702e76657273696f6e00000001000108000000000000002a0214020e67726f75702e76657273696f6e0001000100030101")]
    public void ApiVersions_response(short version, string hex)
    {
        bool isTagged = version >= 3;
        Check(
            new ApiVersionsResponse
            {
                ErrorCode = KafkaErrorCode.UnsupportedVersion,
                ApiKeys = [new() { ApiKey = 18, MinVersion = 0, MaxVersion = 4 }],
                ThrottleTimeMs = version >= 1 ? 2 : 0,
                SupportedFeatures = isTagged ? [new() { Name = "group.version", MinVersion = 0, MaxVersion = 1 }] : [],
                FinalizedFeatures = isTagged ? [new() { Name = "group.version", MinVersionLevel = 1, MaxVersionLevel = 1 }] : [],
                FinalizedFeaturesEpoch = isTagged ? 42 : -1,
                ZkMigrationReady = isTagged,
            },
            version,
            hex);
    }

    [Fact]
    public void ApiVersions_request() => Check(new ApiVersionsRequest { ClientSoftwareName = "sluice", ClientSoftwareVersion = "1.0" }, 3, "07736c7569636504312e3000");

    [Theory]
    [InlineData(5, null, null, "0001670000271000004e2000016dffff0008636f6e73756d657200000001000572616e676500000003010203")]
    [InlineData(9, "i", "why", "02670000271000004e20026d026909636f6e73756d6572020672616e676504010203000477687900")]
    public void JoinGroup_request(short version, string? instance, string? reason, string hex) => Check(
        new JoinGroupRequest
        {
            GroupId = "g",
            SessionTimeoutMs = 10000,
            RebalanceTimeoutMs = 20000,
            MemberId = "m",
            GroupInstanceId = instance,
            ProtocolType = "consumer",
            Protocols = [new() { Name = "range", Metadata = new byte[] { 1, 2, 3 } }],
            Reason = reason,
        },
        version,
        hex);

    [Fact]
    public void StreamsGroupHeartbeat_request_with_nullable_structures() => Check(
        new StreamsGroupHeartbeatRequest
        {
            GroupId = "g",
            MemberId = "m",
            MemberEpoch = -1,
            EndpointInformationEpoch = 2,
            RebalanceTimeoutMs = 5,
            UserEndpoint = new() { Host = "h", Port = 65535 },
            ActiveTasks = [new() { SubtopologyId = "0", Partitions = [1, 2] }],
            ShutdownApplication = true,
        },
        0,
        "0267026dffffffff00000002000000000005ff02023003000000010000000200000000010268ffff000000000100");

    [Fact]
    public void PushTelemetry_request() => Check(
        new PushTelemetryRequest { ClientInstanceId = Id, SubscriptionId = -2, Terminating = true, CompressionType = 4, Metrics = new byte[] { 9, 8 } },
        0,
        "0102030405060708090a0b0c0d0e0f10fffffffe010403090800");

    [Theory]
    [InlineData(0, "000000000000ffff0000000100000001000475736572ffff00000001001270726f64756365725f627974655f726174654090020000000000")]
    [InlineData(1, "00000000000000020205757365720000021370726f64756365725f627974655f726174654090020000000000000000")]
    public void DescribeClientQuotas_response(short version, string hex) => Check(
        new DescribeClientQuotasResponse
        {
            ErrorMessage = null,
            Entries = [new() { Entity = [new() { EntityType = "user", EntityName = null }], Values = [new() { Key = "producer_byte_rate", Value = 1024.5 }] }],
        },
        version,
        hex);

    [Fact]
    public void ShareFetch_response() => Check(
        new ShareFetchResponse
        {
            AcquisitionLockTimeoutMs = 30000,
            Responses =
            [
                new()
                {
                    TopicId = Id,
                    Partitions =
                    [
                        new()
                        {
                            PartitionIndex = 1,
                            AcknowledgeErrorCode = KafkaErrorCode.InvalidRecordState,
                            CurrentLeader = new() { LeaderId = 1, LeaderEpoch = 2 },
                            Records = new byte[] { 1, 2, 3, 4 },
                            AcquiredRecords = [new() { FirstOffset = 10, LastOffset = 12, DeliveryCount = 2 }],
                        },
                    ],
                },
            ],
        },
        1,
        "0000000000000000007530020102030405060708090a0b0c0d0e0f100200000001000000007900000000010000000200050102030402000000000000000a000000000000000c00020000000100");

    private static void Check<T>(T message, short version, string hex)
        where T : IKafkaMessage, new()
    {
        Assert.Equal(hex, Convert.ToHexStringLower(Codec.Write(message, version)));
        Assert.Equal(Codec.Dump(message), Codec.Dump(Codec.Read(new T(), Convert.FromHexString(hex), version)));
    }
}
