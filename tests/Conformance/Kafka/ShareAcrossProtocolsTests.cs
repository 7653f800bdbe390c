using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Sluice.Client;
using Sluice.Client.Producing;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>One share group whose members speak Kafka and AMQP: docs/protocols/mapping.md.</summary>
public sealed class ShareAcrossProtocolsTests(BrokerFixture broker) : ShareTest(broker)
{
    private readonly List<QueueProgram> _programs = [];

    private string Address => Broker.AmqpAddress!;

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(Broker.AmqpAddress is null, "the target serves no AMQP");
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (QueueProgram program in _programs)
        {
            await program.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    [Fact]
    public async Task What_one_member_has_no_other_gets_whatever_they_speak()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b", "c", "d", "e", "f"));
        string group = await GroupAsync();
        QueueProgram program = await JoinAsync(topic.Name, group, prefetch: 2);
        List<QueueDelivery> got = await program.TakeAsync(2);
        Assert.Equal(["a", "b"], got.Select(static one => one.Body));
        ShareMember member = await MemberAsync(group, topic);
        Assert.Equal("2-5:1", await member.AcquireAsync());
        await program.AckAsync(got[0]);
        await program.ReleaseAsync(got[1]);
        Assert.Equal(new QueueDelivery(3, "b", 1, true, 1), await program.NextAsync());
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 2, 2, ShareAck.Accept), new ShareAck(0, 3, 3, ShareAck.Reject), new ShareAck(0, 4, 4, ShareAck.Release)));
        Assert.Equal(new QueueDelivery(4, "e", 4, true, 1), await program.NextAsync());
        Assert.Equal(KafkaErrorCode.InvalidRecordState, await member.AcknowledgeAsync(new ShareAck(0, 4, 4, ShareAck.Accept)));
        await program.DisposeAsync();
        Assert.Equal("1-1:3 4-4:3", await member.AcquireAsync());
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 1, 1, ShareAck.Accept), new ShareAck(0, 4, 5, ShareAck.Accept)));
        Assert.Equal((6, 0), await PositionAsync(group, topic));
    }

    [Fact]
    public async Task Waiting_members_of_both_are_woken()
    {
        TestTopic topic = await TopicAsync();
        string group = await GroupAsync();
        QueueProgram program = await JoinAsync(topic.Name, group);
        await AppendAsync(topic, BatchBuilder.Of("a"));
        QueueDelivery first = await program.NextAsync();
        ShareMember member = await MemberAsync(group, topic);
        await member.AskAsync(member.FetchRequest());
        Task<ShareFetchResponse> fetch = member.AskAsync(member.FetchRequest(maxWaitMs: (int)Patience.TotalMilliseconds));
        await program.Channel.BasicCancelAsync(program.Tag);
        await program.ReleaseAsync(first);
        Assert.Equal((0, 0, 2), Acquired(await fetch));
        fetch = member.AskAsync(member.FetchRequest(maxWaitMs: (int)Patience.TotalMilliseconds));
        await program.Channel.BasicPublishAsync("", topic.Name, "b"u8.ToArray());
        Assert.Equal((1, 1, 1), Acquired(await fetch));
        await program.ConsumeAsync(topic.Name, ("x-share-group", group));
        Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(new ShareAck(0, 0, 1, ShareAck.Accept, ShareAck.Release)));
        Assert.Equal(("b", 1), (await program.NextAsync()) is var again ? (again.Body, again.Returns) : default);
    }

    [Fact]
    public async Task Consumer_of_a_topic_by_its_name_gets_all_partitions_and_by_a_partitions_name_that_one()
    {
        TestTopic topic = await TopicAsync(partitions: 3);
        for (int partition = 0; partition < 3; partition++)
        {
            await AppendAsync(topic, BatchBuilder.Of($"{partition}.0", $"{partition}.1"), partition);
        }

        string group = await GroupAsync();
        QueueProgram one = await JoinAsync($"{topic.Name}:1", group, prefetch: 1);
        Assert.Equal("1.0", (await one.NextAsync()).Body);
        QueueProgram all = await JoinAsync(topic.Name, group);
        List<QueueDelivery> got = await all.TakeAsync(5);
        Assert.Equal(["0.0", "0.1", "1.1", "2.0", "2.1"], got.Select(static delivery => delivery.Body).Order());
        await all.AckAsync(got[^1], multiple: true);
        await one.DisposeAsync();
        Assert.Equal(("1.0", 1), (await all.NextAsync()) is var again ? (again.Body, again.Returns) : default);
        await all.DisposeAsync();
        for (int partition = 0; partition < 3; partition++)
        {
            await AppendAsync(topic, BatchBuilder.Of("more"), partition);
        }

        var member = new ShareMember(await ConnectAsync(), group, topic, partitions: 3);
        await member.JoinAsync(3);
        ShareFetchResponse fetched = await member.AskAsync(member.FetchRequest(maxWaitMs: (int)Patience.TotalMilliseconds));
        Assert.Equal(
            ["0: 2-2:1", "1: 0-0:3", "1: 2-2:1", "2: 2-2:1"],
            fetched.Responses.SelectMany(static one => one.Partitions).SelectMany(static one => one.AcquiredRecords.Select(run => $"{one.PartitionIndex}: {run.FirstOffset}-{run.LastOffset}:{run.DeliveryCount}")).Order());
    }

    [Fact]
    public async Task Consumer_of_a_topic_by_its_name_gets_partitions_that_are_added()
    {
        TestTopic topic = await TopicAsync();
        string group = Name("share");
        QueueProgram program = await JoinAsync(topic.Name, group);
        await AppendAsync(topic, BatchBuilder.Of("before"));
        Assert.Equal("before", (await program.NextAsync()).Body);
        CreatePartitionsResponse grown = await Client.AskAsync<CreatePartitionsResponse>(
            new CreatePartitionsRequest { Topics = [new CreatePartitionsRequest.CreatePartitionsTopic { Name = topic.Name, Count = 3, Assignments = null }], TimeoutMs = 10_000 }, 3);
        Assert.Equal(KafkaErrorCode.None, Assert.Single(grown.Results).ErrorCode);
        await IsReadyAsync(topic.Name, 3);
        await AppendAsync(topic, BatchBuilder.Of("first of 2"), partition: 2);
        await AppendAsync(topic, BatchBuilder.Of("first of 1"), partition: 1);
        List<QueueDelivery> got = await program.TakeAsync(2);
        Assert.Equal(["first of 1", "first of 2"], got.Select(static delivery => delivery.Body).Order());
        await program.ReleaseAsync(got[0]);
        Assert.Equal((got[0].Body, 1), (await program.NextAsync()) is var again ? (again.Body, again.Returns) : default);
    }

    [Fact]
    public async Task Group_that_AMQP_consumers_are_in_is_not_empty()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        string group = Name("share");
        QueueProgram program = await JoinAsync(topic.Name, group, offset: "first");
        QueueDelivery first = await program.NextAsync();
        Assert.Equal("Stable", await StateAsync(group));
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, await DeleteAsync(group));
        AlterShareGroupOffsetsResponse altered = await Client.AskAsync<AlterShareGroupOffsetsResponse>(
            new AlterShareGroupOffsetsRequest { GroupId = group, Topics = [new AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestTopic { TopicName = topic.Name, Partitions = [new AlterShareGroupOffsetsRequest.AlterShareGroupOffsetsRequestPartition { StartOffset = 0 }] }] },
            0);
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, altered.ErrorCode);

        // What a cancelled consumer has still to settle keeps the group too.
        await program.Channel.BasicCancelAsync(program.Tag);
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, await DeleteAsync(group));
        await program.AckAsync(await program.NextAsync(), multiple: true);
        Assert.Equal("a", first.Body);
        await EventuallyAsync(async () => await StateAsync(group) == "Empty", "the group is empty");
        Assert.Equal((2, 0), await PositionAsync(group, topic));
        Assert.Equal(KafkaErrorCode.None, await DeleteAsync(group));
        Assert.Equal("Dead", await StateAsync(group) ?? "Dead");
    }

    [Fact]
    public async Task Configuration_of_the_group_holds_for_AMQP_consumers()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of([.. Enumerable.Range(0, 150).Select(static i => $"{i}")]));
        string group = await GroupAsync(("share.delivery.count.limit", "2"), ("share.partition.max.record.locks", "100"));
        QueueProgram program = await JoinAsync(topic.Name, group, prefetch: 1);
        for (int i = 0; i < 2; i++)
        {
            QueueDelivery got = await program.NextAsync();
            Assert.Equal(("0", i), (got.Body, got.Returns));
            await program.ReleaseAsync(got);
        }

        Assert.Equal("1", (await program.NextAsync()).Body);
        QueueProgram other = await JoinAsync(topic.Name, group, prefetch: 500);
        Assert.Equal("100", (await other.TakeAsync(99))[^1].Body);
        ShareMember member = await MemberAsync(group, topic);
        Assert.Equal("", await member.TryAcquireAsync());
    }

    [Fact]
    public async Task Group_of_another_kind_is_refused()
    {
        TestTopic topic = await TopicAsync();
        string group = Name("group");
        await EventuallyAsync(
            async () => (await Client.AskAsync<JoinGroupResponse>(
                new JoinGroupRequest { GroupId = group, SessionTimeoutMs = 10_000, RebalanceTimeoutMs = 10_000, MemberId = "", ProtocolType = "consumer", Protocols = [new JoinGroupRequest.JoinGroupRequestProtocol { Name = "range", Metadata = Array.Empty<byte>() }] },
                9)).ErrorCode == KafkaErrorCode.MemberIdRequired,
            "a member is wanted");
        OperationInterruptedException refusal = await Assert.ThrowsAsync<OperationInterruptedException>(() => JoinAsync(topic.Name, group));
        Assert.Equal(406, refusal.ShutdownReason!.ReplyCode);
    }

    [Theory]
    [InlineData("read_committed", "committed")]
    [InlineData("read_uncommitted", "rolled back,committed")]
    public async Task Isolation_of_the_group_holds_for_AMQP_consumers(string level, string expected)
    {
        TestTopic topic = await TopicAsync();
        string group = await GroupAsync(("share.isolation.level", level));
        QueueProgram program = await JoinAsync(topic.Name, group);
        await using var producer = new KafkaProducer<byte[]?, string>(new ProducerOptions { BootstrapServers = $"{Broker.Host}:{Broker.Port}", TransactionalId = Name("transaction") });
        await producer.InitTransactionsAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new ProducerRecord<byte[]?, string>(topic.Name, null, "rolled back"));
        await producer.AbortTransactionAsync();
        producer.BeginTransaction();
        await producer.SendAsync(new ProducerRecord<byte[]?, string>(topic.Name, null, "committed"));
        await producer.CommitTransactionAsync();
        string[] bodies = expected.Split(',');
        List<QueueDelivery> got = await program.TakeAsync(bodies.Length);
        Assert.Equal(bodies, got.Select(static one => one.Body));
        await program.AckAsync(got[^1], multiple: true);

        // The end of the last transaction is for nobody; what comes behind it shows that.
        await AppendAsync(topic, BatchBuilder.Of("last"));
        QueueDelivery last = await program.NextAsync();
        Assert.Equal("last", last.Body);
        await program.AckAsync(last);
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 0, "all is done");
    }

    [Fact]
    public async Task What_lies_in_files_is_delivered_from_compressed_batches_too()
    {
        const int Records = 3000;
        TestTopic topic = await TopicAsync(configs: ("segment.bytes", "1048576"));
        await using (var producer = new KafkaProducer<byte[]?, string>(new ProducerOptions { BootstrapServers = $"{Broker.Host}:{Broker.Port}", Compression = Base.Compression.CompressionType.Lz4, Linger = TimeSpan.FromMilliseconds(5) }))
        {
            var random = new Random(1);
            for (int i = 0; i < Records; i++)
            {
                byte[] filling = new byte[1000];
                random.NextBytes(filling);
                _ = producer.SendAsync(new ProducerRecord<byte[]?, string>(topic.Name, null, $"{i} {Convert.ToHexString(filling)}"));
            }

            await producer.FlushAsync();
        }

        string group = await GroupAsync();
        QueueProgram first = await JoinAsync(topic.Name, group, prefetch: 50), second = await JoinAsync(topic.Name, group, prefetch: 50);
        using var done = new CancellationTokenSource();
        int left = Records;
        var got = new System.Collections.Concurrent.ConcurrentBag<int>();
        await Task.WhenAll(DrainAsync(first), DrainAsync(second));
        Assert.Equal(Enumerable.Range(0, Records), got.Order());

        async Task DrainAsync(QueueProgram program)
        {
            try
            {
                while (!done.IsCancellationRequested)
                {
                    QueueDelivery delivery = await program.NextAsync(done.Token);
                    got.Add(int.Parse(delivery.Body.AsSpan(0, delivery.Body.IndexOf(' '))));
                    await program.AckAsync(delivery);
                    if (Interlocked.Decrement(ref left) == 0)
                    {
                        await done.CancelAsync();
                    }
                }
            }
            catch (OperationCanceledException) when (done.IsCancellationRequested)
            {
                // The other got the last.
            }
        }
    }

    [Fact]
    public async Task Deleted_records_are_passed_over()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of("a", "b"));
        await AppendAsync(topic, BatchBuilder.Of("c", "d"));
        string group = await GroupAsync();
        QueueProgram program = await JoinAsync(topic.Name, group, prefetch: 1);
        QueueDelivery first = await program.NextAsync();
        await Client.AskAsync<DeleteRecordsResponse>(
            new DeleteRecordsRequest { TimeoutMs = 10_000, Topics = [new DeleteRecordsRequest.DeleteRecordsTopic { Name = topic.Name, Partitions = [new DeleteRecordsRequest.DeleteRecordsPartition { PartitionIndex = 0, Offset = 3 }] }] },
            2);
        await program.AckAsync(first);
        QueueDelivery next = await program.NextAsync();
        Assert.Equal(("d", 3), (next.Body, next.Offset));
    }

    [Fact]
    public async Task Queues_that_are_seen_as_topics_refuse_share_groups()
    {
        string queue = Name("queue");
        QueueProgram program = await QueueProgram.StartAsync(Address);
        _programs.Add(program);
        await program.Channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        await program.Channel.BasicPublishAsync("", queue, "a"u8.ToArray());
        MetadataResponse metadata = await Client.AskAsync<MetadataResponse>(new MetadataRequest { Topics = [new MetadataRequest.MetadataRequestTopic { Name = queue }] }, 12);
        var topic = new TestTopic(queue, Assert.Single(metadata.Topics).TopicId);
        ShareMember member = await MemberAsync(await GroupAsync(), topic);
        ShareFetchResponse answer = await member.AskAsync(member.FetchRequest());
        Assert.Equal(KafkaErrorCode.PolicyViolation, Assert.Single(Assert.Single(answer.Responses).Partitions).ErrorCode);
        Assert.Equal("a", System.Text.Encoding.UTF8.GetString((await program.Channel.BasicGetAsync(queue, autoAck: true))!.Body.Span));
        await program.Channel.QueueDeleteAsync(queue);
    }

    private static (long First, long Last, int Count) Acquired(ShareFetchResponse response)
    {
        ShareFetchResponse.AcquiredRecordsData run = Assert.Single(Assert.Single(Assert.Single(response.Responses).Partitions).AcquiredRecords);
        return (run.FirstOffset, run.LastOffset, run.DeliveryCount);
    }

    private async Task<QueueProgram> JoinAsync(string topic, string group, ushort prefetch = 100, object? offset = null)
    {
        QueueProgram program = await QueueProgram.JoinAsync(Address, topic, group, prefetch, offset);
        _programs.Add(program);
        return program;
    }

    private async Task<string?> StateAsync(string group) =>
        (await Client.AskAsync<ListGroupsResponse>(new ListGroupsRequest { StatesFilter = [], TypesFilter = ["share"] }, 5)).Groups.SingleOrDefault(listed => listed.GroupId == group)?.GroupState;

    private async Task<KafkaErrorCode> DeleteAsync(string group) =>
        Assert.Single((await Client.AskAsync<DeleteGroupsResponse>(new DeleteGroupsRequest { GroupsNames = [group] }, 2)).Results).ErrorCode;
}
