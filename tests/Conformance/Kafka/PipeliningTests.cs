using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Requests sent without waiting are answered in their order.</summary>
public sealed class PipeliningTests(BrokerFixture broker) : KafkaTest(broker)
{
    [Fact]
    public async Task Pipelined_requests_of_different_APIs_are_answered_in_their_order()
    {
        TestTopic topic = await TopicAsync();
        var frames = new List<byte>();
        for (int i = 0; i < 50; i++)
        {
            frames.AddRange(RawClient.Frame(Produce(topic, -1, (0, BatchBuilder.Of($"{i}"))), 9, (4 * i) + 0));
            frames.AddRange(RawClient.Frame(new MetadataRequest { Topics = [] }, 12, (4 * i) + 1));
            frames.AddRange(RawClient.Frame(new ListOffsetsRequest { ReplicaId = -1, Topics = [] }, 5, (4 * i) + 2));
            frames.AddRange(RawClient.Frame(Fetch(topic, (0, i)), 12, (4 * i) + 3));
        }

        Task sending = Client.SendBytesAsync(frames.ToArray());
        for (int i = 0; i < 50; i++)
        {
            ProduceResponse produced = await Client.ReceiveAsync<ProduceResponse>(9, (4 * i) + 0);
            Assert.Equal(i, produced.Responses[0].PartitionResponses[0].BaseOffset);
            await Client.ReceiveAsync<MetadataResponse>(12, (4 * i) + 1);
            await Client.ReceiveAsync<ListOffsetsResponse>(5, (4 * i) + 2);
            FetchResponse fetched = await Client.ReceiveAsync<FetchResponse>(12, (4 * i) + 3);
            Assert.Equal($"{i}", FetchedBatch.ReadAll(fetched.Responses[0].Partitions[0].Records.Memory)[0].Records[0].Value);
        }

        await sending;
    }

    [Fact]
    public async Task Pipelined_behind_a_fetch_that_waits_answers_wait_too()
    {
        TestTopic topic = await TopicAsync();
        FetchRequest fetch = Fetch(topic, (0, 0));
        fetch.MaxWaitMs = 600_000;
        int fetchId = await Client.SendAsync(fetch, 12);
        int metadataId = await Client.SendAsync(new MetadataRequest { Topics = [] }, 12);
        RawClient producer = await ConnectAsync();
        await producer.AskAsync<ProduceResponse>(Produce(topic, -1, (0, BatchBuilder.Of("wake"))), 9);
        FetchResponse fetched = await Client.ReceiveAsync<FetchResponse>(12, fetchId);
        Assert.Equal("wake", FetchedBatch.ReadAll(fetched.Responses[0].Partitions[0].Records.Memory)[0].Records[0].Value);
        await Client.ReceiveAsync<MetadataResponse>(12, metadataId);
    }

    [Fact]
    public async Task Pipelined_produce_requests_without_acknowledgement_have_no_answer_and_keep_their_place()
    {
        TestTopic topic = await TopicAsync();
        await Client.SendAsync(Produce(topic, 0, (0, BatchBuilder.Of("a"))), 9);
        await Client.SendAsync(Produce(topic, 0, (0, BatchBuilder.Of("b"))), 13);
        ProduceResponse.PartitionProduceResponse last = await ProduceAsync(topic, BatchBuilder.Of("c"), acks: 1);
        Assert.Equal(2, last.BaseOffset);
        Assert.Equal(["a", "b", "c"], await ReadValuesAsync(topic));
    }
}
