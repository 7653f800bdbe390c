using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Fuzz;

/// <summary>Well-formed Kafka requests, responses and records.</summary>
internal static class KafkaSeeds
{
    private static readonly Guid Id = new("01020304-0506-0708-090a-0b0c0d0e0f10");

    /// <summary>Inputs with their target byte and the byte that chooses an API or record.</summary>
    public static IReadOnlyList<byte[]> All()
    {
        var seeds = new List<byte[]>();
        for (int i = 0; i < KafkaApis.All.Count; i++)
        {
            KafkaApi api = KafkaApis.All[i];
            foreach (short version in new HashSet<short> { api.MinVersion, api.MaxVersion })
            {
                seeds.Add(Request(api, version, api.NewRequest()));
                seeds.Add(Response(i, version, api.NewResponse()));
            }
        }

        AddRequests(seeds);
        AddResponses(seeds);
        AddRecords(seeds);
        return seeds;
    }

    private static void AddRequests(List<byte[]> seeds)
    {
        foreach (short version in new short[] { 3, 9, 12 })
        {
            seeds.Add(Request(KafkaApis.Get(KafkaApiKey.Produce), version, new ProduceRequest
            {
                Acks = -1,
                TopicData = [new() { Name = "orders", PartitionData = [new() { Index = 1, Records = new byte[70] }, new() { Index = 2, Records = new byte[5] }] }],
            }));
        }

        foreach (short version in new short[] { 4, 11, 18 })
        {
            seeds.Add(Request(KafkaApis.Get(KafkaApiKey.Fetch), version, new FetchRequest
            {
                MaxWaitMs = 500,
                Topics = [new() { Topic = "orders", TopicId = Id, Partitions = [new() { Partition = 1, FetchOffset = 10 }, new() { Partition = 2, ReplicaDirectoryId = Id }] }],
                ForgottenTopicsData = version >= 7 ? [new() { Topic = "old", Partitions = [1, 2] }] : [],
                RackId = version >= 11 ? "r" : "",
            }));
        }

        seeds.Add(Request(KafkaApis.Get(KafkaApiKey.Metadata), 12, new MetadataRequest { Topics = [new() { Name = "orders" }, new() { Name = null, TopicId = Id }] }));
        seeds.Add(Request(KafkaApis.Get(KafkaApiKey.JoinGroup), 9, new JoinGroupRequest { GroupId = "g", Protocols = [new() { Name = "range", Metadata = new byte[9] }], Reason = "why" }));
        seeds.Add(Request(KafkaApis.Get(KafkaApiKey.CreateTopics), 7, new CreateTopicsRequest
        {
            Topics = [new() { Name = "t", Assignments = [new() { PartitionIndex = 1, BrokerIds = [1, 2, 3] }], Configs = [new() { Name = "retention.ms", Value = "1" }] }],
        }));
        seeds.Add(Request(KafkaApis.Get(KafkaApiKey.StreamsGroupHeartbeat), 0, new StreamsGroupHeartbeatRequest
        {
            GroupId = "g",
            Topology = new() { Subtopologies = [new() { SubtopologyId = "0", SourceTopics = ["a", "b"], CopartitionGroups = [new() { SourceTopics = [1, 2] }] }] },
            UserEndpoint = new() { Host = "h", Port = 1 },
        }));
    }

    private static void AddResponses(List<byte[]> seeds)
    {
        int fetch = KafkaApis.All.ToList().FindIndex(api => api.Key == KafkaApiKey.Fetch);
        seeds.Add(Response(fetch, 17, new FetchResponse
        {
            Responses =
            [
                new()
                {
                    TopicId = Id,
                    Partitions =
                    [
                        new() { Records = new byte[30], CurrentLeader = new() { LeaderId = 1 }, DivergingEpoch = new() { Epoch = 1 }, AbortedTransactions = [new() { ProducerId = 1 }] },
                    ],
                },
            ],
            NodeEndpoints = [new() { NodeId = 1, Host = "h", Port = 9092 }],
        }));
    }

    private static void AddRecords(List<byte[]> seeds)
    {
        seeds.Add([2, 0, .. Write(new OffsetCommitKey { Group = "g", Topic = "t" }.WriteRecord)]);
        seeds.Add([2, 1, .. Write(writer => new OffsetCommitValue { Offset = 1, TopicId = Id }.WriteRecord(writer, 4))]);
        seeds.Add([2, 3, .. Write(writer => new GroupMetadataValue { Members = [new() { MemberId = "m", Subscription = new byte[5] }] }.WriteRecord(writer, 3))]);
        seeds.Add([2, 5, .. Write(writer => new TransactionLogValue { TransactionPartitions = [new() { Topic = "t", PartitionIds = [1] }], NextProducerId = 1 }.WriteRecord(writer, 1))]);
        seeds.Add([2, 6, .. Write(writer => new ConsumerProtocolSubscription { Topics = ["a"], OwnedPartitions = [new() { Topic = "a", Partitions = [1] }] }.WriteRecord(writer, 3))]);
    }

    private static byte[] Request(KafkaApi api, short version, IKafkaMessage message) =>
    [
        0, 0, .. Write(writer =>
        {
            new KafkaRequestHeader((short)api.Key, version, 1, "fuzz").Write(writer);
            message.Write(writer, version);
        }),
    ];

    private static byte[] Response(int index, short version, IKafkaMessage message) =>
        [1, (byte)index, (byte)(version - KafkaApis.All[index].MinVersion), .. Write(writer => message.Write(writer, version))];

    private static byte[] Write(Action<KafkaWriter> write)
    {
        using var writer = new KafkaWriter(new BufferPool());
        write(writer);
        return writer.ToArray();
    }
}
