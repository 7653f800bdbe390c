using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka.Support;

/// <summary>What a member of a share group says of offsets: one kind for all of them, or one for each.</summary>
public sealed record ShareAck(int Partition, long First, long Last, params sbyte[] Types)
{
    public const sbyte Accept = 1, Release = 2, Reject = 3, Renew = 4;
}

/// <summary>A member of a share group with a session on one connection; it does what the test says and no more.</summary>
public sealed class ShareMember(RawClient client, string group, TestTopic topic, int partitions = 1)
{
    private int _memberEpoch;

    public string Id { get; } = Guid.NewGuid().ToString();

    /// <summary>Of the next request in the session.</summary>
    public int SessionEpoch { get; set; }

    /// <summary>Joins, and waits until it has all partitions.</summary>
    public async Task JoinAsync(int assignedPartitions = 1)
    {
        long deadline = Environment.TickCount64 + (long)RawClient.Patience.TotalMilliseconds;
        while (true)
        {
            ShareGroupHeartbeatResponse response = await HeartbeatAsync(_memberEpoch, tellsTopics: true);
            Assert.Equal((KafkaErrorCode.None, null), (response.ErrorCode, response.ErrorMessage));
            _memberEpoch = response.MemberEpoch;
            if (response.Assignment?.TopicPartitions.Sum(static assigned => assigned.Partitions.Length) == assignedPartitions)
            {
                return;
            }

            Assert.True(Environment.TickCount64 < deadline, "no assignment");
            await Task.Delay(50);
        }
    }

    public Task<ShareGroupHeartbeatResponse> HeartbeatAsync(int epoch, bool tellsTopics = false) => client.AskAsync<ShareGroupHeartbeatResponse>(
        new ShareGroupHeartbeatRequest { GroupId = group, MemberId = Id, MemberEpoch = epoch, SubscribedTopicNames = tellsTopics ? [topic.Name] : null },
        1);

    public Task<ShareGroupHeartbeatResponse> LeaveAsync() => HeartbeatAsync(-1);

    /// <summary>A fetch of the session; the first of a session names the partitions, later ones what they acknowledge.</summary>
    public ShareFetchRequest FetchRequest(int maxRecords = 500, int maxWaitMs = 0, sbyte mode = 0, params ShareAck[] acks) => new()
    {
        GroupId = group,
        MemberId = Id,
        ShareSessionEpoch = SessionEpoch,
        MaxWaitMs = maxWaitMs,
        MinBytes = 1,
        MaxBytes = 50 << 20,
        MaxRecords = maxRecords,
        BatchSize = maxRecords,
        ShareAcquireMode = mode,
        Topics =
        [
            new ShareFetchRequest.FetchTopic
            {
                TopicId = topic.Id,
                Partitions =
                [
                    .. (SessionEpoch == 0 ? Enumerable.Range(0, partitions) : acks.Select(static ack => ack.Partition)).Distinct().Select(index => new ShareFetchRequest.FetchPartition
                    {
                        PartitionIndex = index,
                        AcknowledgementBatches = [.. acks.Where(ack => ack.Partition == index).Select(static ack => new ShareFetchRequest.AcknowledgementBatch { FirstOffset = ack.First, LastOffset = ack.Last, AcknowledgeTypes = ack.Types })],
                    }),
                ],
            },
        ],
    };

    /// <summary>Sends a request of the session; the next has the next epoch.</summary>
    public async Task<ShareFetchResponse> AskAsync(ShareFetchRequest request, int version = 2)
    {
        ShareFetchResponse response = await client.AskAsync<ShareFetchResponse>(request, version);
        Assert.Equal((KafkaErrorCode.None, null), (response.ErrorCode, response.ErrorMessage));
        SessionEpoch++;
        return response;
    }

    /// <summary>A fetch whose answer nobody reads: what it gets is in flight when the broker ends.</summary>
    public Task FetchRequestIsSentAsync(RawClient connection) => connection.SendAsync(FetchRequest(), 2);

    /// <summary>Fetches until it gets something; what of the one partition, as "first-last:count".</summary>
    public async Task<string> AcquireAsync(int maxRecords = 500, sbyte mode = 0) => Text(await FetchAsync(maxRecords, mode));

    /// <summary>Fetches until it gets something.</summary>
    public async Task<ShareFetchResponse.PartitionData> FetchAsync(int maxRecords = 500, sbyte mode = 0)
    {
        long deadline = Environment.TickCount64 + (long)RawClient.Patience.TotalMilliseconds;
        while (true)
        {
            ShareFetchResponse response = await AskAsync(FetchRequest(maxRecords, maxWaitMs: 500, mode));
            if (response.Responses.SelectMany(static one => one.Partitions).SingleOrDefault(static one => one.AcquiredRecords.Length > 0 || one.ErrorCode != KafkaErrorCode.None) is { } data)
            {
                Assert.Equal((KafkaErrorCode.None, null), (data.ErrorCode, data.ErrorMessage));
                return data;
            }

            Assert.True(Environment.TickCount64 < deadline, "nothing was delivered");
        }
    }

    /// <summary>Fetches once without waiting; what it gets.</summary>
    public async Task<string> TryAcquireAsync() => string.Join(' ', (await AskAsync(FetchRequest())).Responses.SelectMany(static one => one.Partitions).Select(Text));

    /// <summary>Acknowledges within the session; the outcome of the one partition.</summary>
    public async Task<KafkaErrorCode> AcknowledgeAsync(params ShareAck[] acks)
    {
        ShareAcknowledgeResponse response = await SendAcknowledgeAsync(SessionEpoch, acks);
        Assert.Equal((KafkaErrorCode.None, null), (response.ErrorCode, response.ErrorMessage));
        SessionEpoch++;
        return Assert.Single(Assert.Single(response.Responses).Partitions).ErrorCode;
    }

    public Task<ShareAcknowledgeResponse> SendAcknowledgeAsync(int epoch, params ShareAck[] acks) => SendAcknowledgeAsync(epoch, topic.Id, acks);

    public Task<ShareAcknowledgeResponse> SendAcknowledgeAsync(int epoch, Guid topicId, ShareAck[] acks, bool isRenewal = false) => client.AskAsync<ShareAcknowledgeResponse>(
        new ShareAcknowledgeRequest
        {
            GroupId = group,
            MemberId = Id,
            ShareSessionEpoch = epoch,
            IsRenewAck = isRenewal,
            Topics = acks.Length == 0 ? [] :
            [
                new ShareAcknowledgeRequest.AcknowledgeTopic
                {
                    TopicId = topicId,
                    Partitions =
                    [
                        .. acks.GroupBy(static ack => ack.Partition).Select(static partition => new ShareAcknowledgeRequest.AcknowledgePartition
                        {
                            PartitionIndex = partition.Key,
                            AcknowledgementBatches = [.. partition.Select(static ack => new ShareAcknowledgeRequest.AcknowledgementBatch { FirstOffset = ack.First, LastOffset = ack.Last, AcknowledgeTypes = ack.Types })],
                        }),
                    ],
                },
            ],
        },
        2);

    private static string Text(ShareFetchResponse.PartitionData data) => string.Join(' ', data.AcquiredRecords.Select(static run => $"{run.FirstOffset}-{run.LastOffset}:{run.DeliveryCount}"));
}
