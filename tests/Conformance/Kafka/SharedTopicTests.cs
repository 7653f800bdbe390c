using System.Collections.Concurrent;
using RabbitMQ.Client;
using Sluice.Base.Compression;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>
/// Queue programs and log programs work on one topic at once, while both kinds of producers write to it: each sees exactly what its semantics promise.
/// </summary>
public sealed class SharedTopicTests(BrokerFixture broker) : ShareTest(broker)
{
    /// <summary>Of each producer.</summary>
    private const int Messages = 12_000;

    private const int PublishedAtOnce = 400;

    /// <summary>After so many messages a consumer dies or leaves.</summary>
    private const int Midway = 1500;

    private const string LockDurationMs = "60000";

    private readonly CancellationTokenSource _end = new();

    private string Address => Broker.AmqpAddress!;

    private string Bootstrap => $"{Broker.Host}:{Broker.Port}";

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(Broker.AmqpAddress is null, "the target serves no AMQP");
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        _end.Dispose();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Everyone_sees_what_its_semantics_promise(int partitions)
    {
        TestTopic topic = await TopicAsync(partitions);
        string[] streams = partitions == 1 ? [topic.Name] : [.. Enumerable.Range(0, partitions).Select(index => $"{topic.Name}:{index}")];

        // Queue programs: two compete, of which one dies. Log programs: readers of the streams, a group of two of which one leaves, a share group. And a share group of both kinds.
        var competing = new ShareLedger("competing consumers", hasDeaths: true);
        var sharing = new ShareLedger("share group", hasDeaths: false);
        var mixed = new ShareLedger("share group of both protocols", hasDeaths: false);
        string competingGroup = Name("competing"), sharingGroup = await GroupAsync(("share.record.lock.duration.ms", LockDurationMs)), mixedGroup = await GroupAsync(("share.record.lock.duration.ms", LockDurationMs));
        var log = new LogGroup(Bootstrap, topic.Name, Name("group"));
        await log.JoinAsync();
        Task<List<QueueDelivery>>[] readers = [.. streams.Select((stream, index) => ReadStreamAsync(stream, 2 * Enumerable.Range(0, Messages).Count(number => number % partitions == index)))];
        QueueProgram first = await QueueProgram.JoinAsync(Address, topic.Name, competingGroup, prefetch: 200, "first"), second = await QueueProgram.JoinAsync(Address, topic.Name, competingGroup, prefetch: 200);
        QueueProgram mixing = await QueueProgram.JoinAsync(Address, topic.Name, mixedGroup, prefetch: 100);
        ShareMember[] members = [await JoinAsync(sharingGroup, topic, partitions), await JoinAsync(sharingGroup, topic, partitions), await JoinAsync(mixedGroup, topic, partitions)];

        Task[] working =
        [
            WorkAsync(first, competing, long.MaxValue),
            WorkAsync(second, competing, Midway),
            WorkAsync(mixing, mixed, long.MaxValue),
            ShareAsync(members[0], sharing),
            ShareAsync(members[1], sharing),
            ShareAsync(members[2], mixed),
            log.RunAsync(Midway, 2 * Messages),
            .. readers,
        ];
        Task[] writing = [ProduceAsync(topic.Name, partitions), PublishAsync(streams)];
        await OrFailedAsync(Task.WhenAll(writing), working);
        await OrFailedAsync(Task.WhenAll([competing.Completed, sharing.Completed, mixed.Completed, log.Completed, .. readers]), working);

        string[] all = [.. Enumerable.Range(0, Messages).SelectMany(static number => new[] { $"k{number}", $"a{number}" }).Order(StringComparer.Ordinal)];
        foreach (Task<List<QueueDelivery>> reader in readers)
        {
            Assert.Equal(Enumerable.Range(0, (await reader).Count).Select(static offset => (long)offset), (await reader).Select(static delivery => delivery.Offset));
        }

        Assert.Equal(all, readers.SelectMany(static reader => reader.Result).Select(static delivery => delivery.Body).Order(StringComparer.Ordinal));
        Assert.Equal(all, log.Consumed.Order(StringComparer.Ordinal));
        Assert.True(log.HasLeft, "a member of the group left midway");
        foreach ((ShareLedger ledger, string group) in new[] { (competing, competingGroup), (sharing, sharingGroup), (mixed, mixedGroup) })
        {
            Assert.Equal(all, ledger.Settled.Order(StringComparer.Ordinal));
            Assert.True(ledger.Releases > 0, $"something was released in {ledger.Name}");
            await EventuallyAsync(async () => await LagAsync(group, topic, partitions) == 0, $"nothing is left to do for {ledger.Name}");
        }

        await _end.CancelAsync();
        await Task.WhenAll(working);
        foreach (QueueProgram program in new[] { first, second, mixing })
        {
            await program.DisposeAsync();
        }
    }

    private static bool IsToBeReleased(string body) => body[^1] == '7';

    /// <summary>Whichever ends first: what is waited for, or somebody by an error.</summary>
    private static async Task OrFailedAsync(Task wanted, Task[] working)
    {
        var failed = new TaskCompletionSource();
        foreach (Task task in working)
        {
            _ = task.ContinueWith(
                ended => failed.TrySetException(ended.Exception?.InnerExceptions.AsEnumerable() ?? [new TimeoutException("somebody waited in vain")]),
                CancellationToken.None,
                TaskContinuationOptions.NotOnRanToCompletion,
                TaskScheduler.Default);
        }

        await (await Task.WhenAny(wanted, failed.Task).WaitAsync(10 * Patience));
    }

    private async Task<ShareMember> JoinAsync(string group, TestTopic topic, int partitions)
    {
        var member = new ShareMember(await ConnectAsync(), group, topic, partitions);
        ShareGroupHeartbeatResponse response = await member.HeartbeatAsync(0, tellsTopics: true);
        Assert.Equal((KafkaErrorCode.None, null), (response.ErrorCode, response.ErrorMessage));
        return member;
    }

    private async Task ProduceAsync(string topic, int partitions)
    {
        await using var producer = new KafkaProducer<byte[]?, string>(new ProducerOptions { BootstrapServers = Bootstrap, Compression = CompressionType.Lz4, BatchBytes = 4096 });
        var sent = new List<Task>(Messages);
        for (int number = 0; number < Messages; number++)
        {
            sent.Add(producer.SendAsync(new ProducerRecord<byte[]?, string>(topic, null, $"k{number}") { Partition = number % partitions }));
        }

        await Task.WhenAll(sent);
    }

    private async Task PublishAsync(string[] streams)
    {
        await using QueueProgram publisher = await QueueProgram.StartAsync(Address);
        for (int begun = 0; begun < Messages; begun += PublishedAtOnce)
        {
            await Task.WhenAll(Enumerable.Range(begun, PublishedAtOnce).Select(number => publisher.PublishAsync(streams[number % streams.Length], $"a{number}")));
        }
    }

    /// <summary>A stream reader: acknowledgements only give it credit.</summary>
    private async Task<List<QueueDelivery>> ReadStreamAsync(string stream, int count)
    {
        await using QueueProgram reader = await QueueProgram.StartAsync(Address, prefetch: 300);
        await reader.ConsumeAsync(stream, ("x-stream-offset", "first"));
        var read = new List<QueueDelivery>();
        while (read.Count < count)
        {
            QueueDelivery delivery = await reader.NextAsync(_end.Token);
            Assert.False(delivery.IsRedelivered);
            read.Add(delivery);
            await reader.AckAsync(delivery);
        }

        return read;
    }

    /// <summary>A competing consumer: some messages it gives back once, and after so many that it has settled it dies with what it has.</summary>
    private async Task WorkAsync(QueueProgram program, ShareLedger ledger, long deathAfter)
    {
        try
        {
            for (long handled = 0; handled < deathAfter; handled++)
            {
                QueueDelivery delivery = await program.NextAsync(_end.Token);
                Assert.Equal(delivery.IsRedelivered, delivery.Returns > 0);
                ledger.OnDelivered(delivery.Body, delivery.Returns);
                if (IsToBeReleased(delivery.Body) && ledger.TryRelease(delivery.Body))
                {
                    await program.ReleaseAsync(delivery);
                }
                else
                {
                    ledger.OnSettled(delivery.Body);
                    await program.AckAsync(delivery);
                }
            }

            await program.IsServedAsync();
            program.Kill();
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // All is done.
        }
    }

    /// <summary>A member of a share group that speaks Kafka.</summary>
    private async Task ShareAsync(ShareMember member, ShareLedger ledger)
    {
        while (!_end.IsCancellationRequested && !ledger.Completed.IsCompleted)
        {
            ShareFetchResponse response = await member.AskAsync(member.FetchRequest(maxRecords: 100, maxWaitMs: 100));
            var acks = new List<ShareAck>();
            foreach (ShareFetchResponse.PartitionData data in response.Responses.SelectMany(static topic => topic.Partitions))
            {
                Assert.Equal(KafkaErrorCode.None, data.ErrorCode);
                Dictionary<long, string> bodies = FetchedBatch.ReadAll(data.Records.Memory).SelectMany(static batch => batch.Records).ToDictionary(static record => record.Offset, static record => record.Value!);
                foreach (ShareFetchResponse.AcquiredRecordsData run in data.AcquiredRecords)
                {
                    for (long offset = run.FirstOffset; offset <= run.LastOffset; offset++)
                    {
                        ledger.OnDelivered(bodies[offset], run.DeliveryCount - 1);
                        bool isReleased = IsToBeReleased(bodies[offset]) && ledger.TryRelease(bodies[offset]);
                        if (!isReleased)
                        {
                            ledger.OnSettled(bodies[offset]);
                        }

                        acks.Add(new ShareAck(data.PartitionIndex, offset, offset, isReleased ? ShareAck.Release : ShareAck.Accept));
                    }
                }
            }

            if (acks.Count > 0)
            {
                ShareAcknowledgeResponse answer = await member.SendAcknowledgeAsync(member.SessionEpoch++, [.. acks]);
                Assert.Equal(KafkaErrorCode.None, answer.ErrorCode);
                Assert.All(answer.Responses.SelectMany(static topic => topic.Partitions), static partition => Assert.Equal(KafkaErrorCode.None, partition.ErrorCode));
            }
        }
    }

    private async Task<long> LagAsync(string group, TestTopic topic, int partitions)
    {
        DescribeShareGroupOffsetsResponse response = await Client.AskAsync<DescribeShareGroupOffsetsResponse>(
            new DescribeShareGroupOffsetsRequest
            {
                Groups =
                [
                    new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestGroup
                    {
                        GroupId = group,
                        Topics = [new DescribeShareGroupOffsetsRequest.DescribeShareGroupOffsetsRequestTopic { TopicName = topic.Name, Partitions = [.. Enumerable.Range(0, partitions)] }],
                    },
                ],
            },
            1);
        return Assert.Single(Assert.Single(response.Groups).Topics).Partitions.Sum(static partition => partition.Lag);
    }

    /// <summary>What becomes of the messages in one share group, as its members say: each is settled once, and comes again only after it was given back.</summary>
    private sealed class ShareLedger(string name, bool hasDeaths)
    {
        private readonly Dictionary<string, (int Deliveries, bool IsReleased, bool IsSettled)> _messages = [];
        private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _settled;

        public string Name => name;

        /// <summary>All are settled.</summary>
        public Task Completed => _completed.Task;

        public int Releases { get; private set; }

        public IEnumerable<string> Settled => _messages.Where(static message => message.Value.IsSettled).Select(static message => message.Key);

        /// <param name="body">Of which message.</param>
        /// <param name="returns">How often it came back before, as the broker says.</param>
        public void OnDelivered(string body, int returns)
        {
            lock (_messages)
            {
                (int deliveries, bool isReleased, bool isSettled) = _messages.GetValueOrDefault(body);
                Assert.False(isSettled, $"{name}: {body} was settled and came again");
                Assert.True(deliveries == 0 || isReleased, $"{name}: {body} was not given back and came again");

                // What a member had not looked at when it died was delivered all the same.
                Assert.True(hasDeaths ? returns >= deliveries : returns == deliveries, $"{name}: {body} was delivered {deliveries} times before, and not {returns}");
                _messages[body] = (deliveries + 1, isReleased, isSettled);
            }
        }

        /// <summary>Once for each message.</summary>
        public bool TryRelease(string body)
        {
            lock (_messages)
            {
                (int deliveries, bool isReleased, _) = _messages[body];
                _messages[body] = (deliveries, true, false);
                Releases += isReleased ? 0 : 1;
                return !isReleased;
            }
        }

        public void OnSettled(string body)
        {
            lock (_messages)
            {
                _messages[body] = _messages[body] with { IsSettled = true };
                if (++_settled == 2 * Messages)
                {
                    _completed.SetResult();
                }
            }
        }
    }

    /// <summary>A consumer group of two, of which one leaves; each commits what it has consumed before others get its partitions.</summary>
    private sealed class LogGroup(string bootstrap, string topic, string group)
    {
        private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Member _stays = null!;
        private Member _leaves = null!;

        public ConcurrentQueue<string> Consumed { get; } = [];

        public Task Completed => _completed.Task;

        public bool HasLeft { get; private set; }

        public async Task JoinAsync()
        {
            _leaves = new Member(bootstrap, topic, group);
            await _leaves.HasPartitionsAsync();
            _stays = new Member(bootstrap, topic, group);
        }

        public Task RunAsync(int leaveAfter, int count) => Task.WhenAll(RunAsync(_leaves, leaveAfter, count), RunAsync(_stays, int.MaxValue, count));

        private async Task RunAsync(Member member, int leaveAfter, int count)
        {
            while (Consumed.Count < leaveAfter && !_completed.Task.IsCompleted)
            {
                if (await member.Consumer.ConsumeAsync(TimeSpan.FromMilliseconds(100)) is { } record)
                {
                    Consumed.Enqueue(record.Value);
                    if (Consumed.Count == count)
                    {
                        _completed.SetResult();
                    }
                }
            }

            await member.Consumer.DisposeAsync();
            HasLeft |= leaveAfter < int.MaxValue && !_completed.Task.IsCompleted;
        }

        private sealed class Member : IRebalanceListener
        {
            private readonly TaskCompletionSource _assigned = new(TaskCreationOptions.RunContinuationsAsynchronously);

            public Member(string bootstrap, string topic, string group)
            {
                Consumer = new KafkaConsumer<byte[]?, string>(new ConsumerOptions
                {
                    BootstrapServers = bootstrap,
                    GroupId = group,
                    AutoOffsetReset = AutoOffsetReset.Earliest,
                    EnableAutoCommit = false,
                    RebalanceListener = this,
                });
                Consumer.Subscribe(topic);
            }

            public KafkaConsumer<byte[]?, string> Consumer { get; }

            public async Task HasPartitionsAsync()
            {
                while (!_assigned.Task.IsCompleted)
                {
                    Assert.Null(await Consumer.ConsumeAsync(TimeSpan.FromMilliseconds(100)));
                }
            }

            public Task OnAssignedAsync(IReadOnlyCollection<Client.TopicPartition> partitions)
            {
                _assigned.TrySetResult();
                return Task.CompletedTask;
            }

            public Task OnRevokedAsync(IReadOnlyCollection<Client.TopicPartition> partitions) => Consumer.CommitAsync();

            public Task OnLostAsync(IReadOnlyCollection<Client.TopicPartition> partitions) => Task.FromException(new InvalidOperationException("the member was out of the group"));
        }
    }
}
