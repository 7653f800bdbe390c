using Sluice.BlackBox;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>What members of share groups have accepted is never delivered again, also when the broker is killed; everything else is.</summary>
public sealed class ShareRestartTests(BrokerFixture fixture) : ShareTest(fixture)
{
    private const int Batches = 200, BatchRecords = 10;

    private BrokerProcess _broker = null!;

    public override async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(BrokerFixture.IsKafka, "the run does not own the broker");
        _broker = await BrokerProcess.StartAsync();
        Client = await ReconnectAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_broker is not null)
        {
            IReadOnlyList<string> errors = _broker.ErrorLines;
            await _broker.DisposeAsync();
            Assert.Empty(errors);
        }
    }

    [Fact]
    public async Task KIP932_Killed_broker_delivers_nothing_again_that_was_accepted()
    {
        TestTopic topic = await TopicAsync();
        var sent = new List<byte[]>();
        for (int i = 0; i < Batches; i++)
        {
            sent.Add(BatchBuilder.Of([.. Enumerable.Range(0, BatchRecords).Select(k => $"{i}.{k} {new string('x', 900)}")]));
            await AppendAsync(topic, sent[i]);
        }

        string group = await GroupAsync();
        var accepted = new HashSet<long>();
        var released = new HashSet<long>();
        int kills = 0;
        while (accepted.Count < Batches * BatchRecords)
        {
            RawClient client = await ReconnectAsync();
            ShareMember member = await MemberAsync(group, topic, client);
            for (int round = 0; round < 4 && accepted.Count < Batches * BatchRecords; round++)
            {
                ShareFetchResponse.PartitionData data = await member.FetchAsync(maxRecords: 15 * BatchRecords);
                List<FetchedBatch> batches = FetchedBatch.ReadAll(data.Records.Memory);
                Assert.All(batches, batch => Assert.Equal(sent[(int)(batch.BaseOffset / BatchRecords)][21..], batch.Summed));
                long[] offsets = [.. data.AcquiredRecords.SelectMany(static run => Enumerable.Range((int)run.FirstOffset, (int)(run.LastOffset - run.FirstOffset + 1)).Select(static offset => (long)offset))];
                Assert.DoesNotContain(offsets, accepted.Contains);
                Assert.Subset(batches.SelectMany(static batch => batch.Records.Select(static record => record.Offset)).ToHashSet(), offsets.ToHashSet());

                // What is released comes again, so only a part of the first time is.
                ShareAck[] acks = [.. offsets.Select(offset => new ShareAck(0, offset, offset, offset % 7 == 3 && released.Add(offset) ? ShareAck.Release : ShareAck.Accept))];
                Assert.Equal(KafkaErrorCode.None, await member.AcknowledgeAsync(acks));
                accepted.UnionWith(acks.Where(static ack => ack.Types[0] == ShareAck.Accept).Select(static ack => ack.First));
            }

            await member.FetchRequestIsSentAsync(client);
            await _broker.KillAsync();
            await _broker.RestartAsync();
            kills++;
        }

        Assert.True(kills > 2);
        Client = await ReconnectAsync();
        Assert.Equal((Batches * BatchRecords, 0), await PositionAsync(group, topic));
    }

    [Fact]
    public async Task Killed_broker_delivers_nothing_again_that_an_AMQP_consumer_has_acknowledged()
    {
        TestTopic topic = await TopicAsync();
        for (int i = 0; i < 20; i++)
        {
            await AppendAsync(topic, BatchBuilder.Of([.. Enumerable.Range(0, BatchRecords).Select(k => $"{i}.{k}")]));
        }

        string group = Name("share");
        await using (QueueProgram program = await QueueProgram.JoinAsync(_broker.Address, topic.Name, group, prefetch: 100, "first"))
        {
            foreach (QueueDelivery delivery in await program.TakeAsync(100))
            {
                await (delivery.Offset % 2 == 0 ? program.AckAsync(delivery) : Task.CompletedTask);
            }

            // What is told is kept.
            await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 150, "the acknowledgements have come");
            await _broker.KillAsync();
        }

        await _broker.RestartAsync();
        await using QueueProgram again = await QueueProgram.JoinAsync(_broker.Address, topic.Name, group, prefetch: 200, "first");
        List<QueueDelivery> rest = await again.TakeAsync(150);
        Assert.Equal(Enumerable.Range(0, 200).Select(static offset => (long)offset).Where(static offset => offset >= 100 || offset % 2 != 0), rest.Select(static delivery => delivery.Offset));

        // What was released is counted for good; what was only delivered is not.
        Assert.All(rest, static delivery => Assert.Equal((false, 0), (delivery.IsRedelivered, delivery.Returns)));
        await again.ReleaseAsync(rest[0]);
        Assert.Equal((1, 1), await again.NextAsync() is var released ? (released.Offset, released.Returns) : default);
        await again.DisposeAsync();
        Client = await ReconnectAsync();
        await EventuallyAsync(async () => (await PositionAsync(group, topic)).Lag == 150, "all is given back");
        await _broker.StopAsync();
        await _broker.RestartAsync();
        await using QueueProgram third = await QueueProgram.JoinAsync(_broker.Address, topic.Name, group, prefetch: 200);
        rest = await third.TakeAsync(150);
        Assert.Equal((2, 1), (rest[0].Returns, rest[1].Returns));
        await third.AckAsync(rest[^1], multiple: true);
        Client = await ReconnectAsync();
        await EventuallyAsync(async () => await PositionAsync(group, topic) == (200, 0), "all is done");
    }

    [Fact]
    public async Task KIP932_Killed_broker_knows_groups_and_their_configurations()
    {
        TestTopic topic = await TopicAsync();
        string group = await GroupAsync(("share.record.lock.duration.ms", "20000"));
        ShareMember member = await MemberAsync(group, topic, Client);
        await _broker.KillAsync();
        await _broker.RestartAsync();
        Client = await ReconnectAsync();
        ShareGroupDescribeResponse.DescribedGroup described = Assert.Single((await Client.AskAsync<ShareGroupDescribeResponse>(new ShareGroupDescribeRequest { GroupIds = [group] }, 1)).Groups);
        Assert.Equal(("Stable", member.Id), (described.GroupState, Assert.Single(described.Members).MemberId));
        var again = new ShareMember(Client, group, topic);
        await again.JoinAsync();
        Assert.Equal(20_000, (await again.AskAsync(again.FetchRequest())).AcquisitionLockTimeoutMs);
    }

    private Task<RawClient> ReconnectAsync() => ConnectAsync("127.0.0.1", _broker.KafkaPort);
}
