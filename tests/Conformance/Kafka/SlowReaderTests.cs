using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>A client that asks and does not read the answers costs the broker no more than its buffers.</summary>
[Collection("alone")]
public sealed class SlowReaderTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const long MiB = 1 << 20;

    [Fact]
    public async Task Fetches_whose_answers_are_never_read_do_not_grow_the_broker()
    {
        Assert.SkipWhen(Broker.ProcessId is null, "the memory of a broker that the run has not started is not known");
        TestTopic topic = await TopicAsync();
        byte[] batch = BatchBuilder.Of(new string('x', 1_000_000));
        for (int i = 0; i < 40; i++)
        {
            await AppendAsync(topic, batch);
        }

        // The broker has read the backlog once: buffers are as large as they get.
        Assert.Equal(40, (await FetchAllAsync(topic, Client)).Count);
        long before = ResidentBytes();
        var deaf = new List<RawClient>();
        for (int i = 0; i < 5; i++)
        {
            RawClient client = await ConnectAsync();
            deaf.Add(client);
            for (int request = 0; request < 60; request++)
            {
                await client.SendAsync(All(topic), 12);
            }
        }

        // They ask for 12 GB in all. The others are served meanwhile.
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(40, (await FetchAllAsync(topic, Client)).Count);
            await AppendAsync(topic, BatchBuilder.Of("small"));
        }

        Assert.InRange(ResidentBytes() - before, long.MinValue, 150 * MiB);

        // One that begins to read gets all that it has asked for.
        for (int request = 0; request < 60; request++)
        {
            Assert.NotNull(await deaf[0].ReceiveFrameAsync());
        }
    }

    [Fact]
    public async Task Requests_whose_answers_are_never_read_are_no_longer_taken()
    {
        Assert.SkipWhen(Broker.ProcessId is null, "the memory of a broker that the run has not started is not known");
        await ServesAsync(Client);
        long before = ResidentBytes();
        RawClient deaf = await ConnectAsync();
        byte[] requests = [.. Enumerable.Range(0, 1000).SelectMany(static i => RawClient.Frame(new ApiVersionsRequest { ClientSoftwareName = "deaf", ClientSoftwareVersion = "1" }, 4, i))];

        // Sends until the broker reads no more; if it always does, 400 MB of answers wait for nobody.
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        Task sending = SendAsync();
        await Task.WhenAny(sending, Task.Delay(Timeout.Infinite, enough.Token));
        await ServesAsync(Client);
        Assert.InRange(ResidentBytes() - before, long.MinValue, 150 * MiB);
        Assert.False(sending.IsCompletedSuccessfully, "the broker has read everything although nobody reads its answers");
        await deaf.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => sending);

        async Task SendAsync()
        {
            for (int i = 0; i < 1000; i++)
            {
                await deaf.SendBytesAsync(requests);
            }
        }
    }

    private static FetchRequest All(TestTopic topic)
    {
        FetchRequest request = Fetch(topic);
        request.Topics = [FetchTopic(topic, 50 << 20, (0, 0))];
        return request;
    }

    private static async Task<List<FetchedBatch>> FetchAllAsync(TestTopic topic, RawClient client)
    {
        FetchResponse response = await client.AskAsync<FetchResponse>(All(topic), 12);
        return [.. FetchedBatch.ReadAll(response.Responses[0].Partitions[0].Records.Memory).Take(40)];
    }

    private long ResidentBytes()
    {
        string line = File.ReadLines($"/proc/{Broker.ProcessId}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}

/// <summary>What measures the broker runs while no other test does.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class AloneCollection;
