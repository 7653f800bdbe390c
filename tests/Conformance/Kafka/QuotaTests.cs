using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Quotas of client ids and users: KIP-13, KIP-219, KIP-546, KIP-599.</summary>
public sealed class QuotaTests(BrokerFixture broker) : KafkaTest(broker)
{
    private const sbyte Exactly = 0, TheDefault = 1, AnyName = 2;

    [Fact]
    public async Task KIP546_Quotas_are_set_described_and_taken_away()
    {
        string client = Name("client");
        string user = Name("user");
        await SetAsync([("client-id", client)], ("producer_byte_rate", 1000), ("consumer_byte_rate", 2000));
        await SetAsync([("user", user), ("client-id", client)], ("producer_byte_rate", 3000));
        Assert.Equal([$"client-id={client}: consumer_byte_rate=2000 producer_byte_rate=1000"], await DescribeAsync(strict: true, ("client-id", Exactly, client)));
        Assert.Equal(
            [$"client-id={client}: consumer_byte_rate=2000 producer_byte_rate=1000", $"client-id={client} user={user}: producer_byte_rate=3000"],
            await DescribeAsync(strict: false, ("client-id", Exactly, client)));
        Assert.Equal([$"client-id={client} user={user}: producer_byte_rate=3000"], await DescribeAsync(strict: false, ("user", Exactly, user)));
        Assert.Contains($"client-id={client} user={user}: producer_byte_rate=3000", await DescribeAsync(strict: true, ("user", AnyName, null), ("client-id", AnyName, null)));
        Assert.Empty(await DescribeAsync(strict: true, ("user", Exactly, user)));
        Assert.DoesNotContain(await DescribeAsync(strict: false, ("client-id", TheDefault, null)), line => line.Contains(client));

        await SetAsync([("client-id", client)], ("producer_byte_rate", null));
        await SetAsync([("user", user), ("client-id", client)], ("producer_byte_rate", null));
        Assert.Equal([$"client-id={client}: consumer_byte_rate=2000"], await DescribeAsync(strict: false, ("client-id", Exactly, client)));
        await SetAsync([("client-id", client)], ("consumer_byte_rate", null));
        Assert.Empty(await DescribeAsync(strict: false, ("client-id", Exactly, client)));
    }

    [Fact]
    public async Task KIP219_A_producer_over_its_quota_is_told_and_left_alone()
    {
        TestTopic topic = await TopicAsync();
        RawClient producer = await ConnectAsync();
        producer.ClientId = Name("client");
        await SetAsync([("client-id", producer.ClientId)], ("producer_byte_rate", 10_000));
        byte[] batch = BatchBuilder.Of(new string('x', 60_000));
        int throttleMs = 0;
        long answered = 0;
        for (int i = 0; i < 10 && throttleMs == 0; i++)
        {
            ProduceResponse response = await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (0, batch)), 13);
            Assert.Equal(KafkaErrorCode.None, Assert.Single(Assert.Single(response.Responses).PartitionResponses).ErrorCode);
            throttleMs = response.ThrottleTimeMs;
            answered = Stopwatch.GetTimestamp();
        }

        // 10 KB a second over ten seconds are two batches; from the third one on the producer has to wait for a second or more.
        Assert.InRange(throttleMs, 500, 12_000);
        await ServesAsync(producer);
        Assert.True(Stopwatch.GetElapsedTime(answered).TotalMilliseconds > throttleMs - 100, $"The connection was served before {throttleMs} ms were over.");
        await SetAsync([("client-id", producer.ClientId)], ("producer_byte_rate", null));
        ProduceResponse free = await producer.AskAsync<ProduceResponse>(Produce(topic, 1, (0, batch)), 13);
        Assert.Equal(0, free.ThrottleTimeMs);
    }

    [Fact]
    public async Task A_consumer_over_its_quota_is_told()
    {
        TestTopic topic = await TopicAsync();
        await AppendAsync(topic, BatchBuilder.Of(new string('x', 200_000)));
        RawClient consumer = await ConnectAsync();
        consumer.ClientId = Name("client");
        await SetAsync([("client-id", consumer.ClientId)], ("consumer_byte_rate", 10_000));
        int throttleMs = 0;
        for (int i = 0; i < 5 && throttleMs == 0; i++)
        {
            throttleMs = (await consumer.AskAsync<FetchResponse>(Fetch(topic, (0, 0L)), 18)).ThrottleTimeMs;
        }

        Assert.True(throttleMs > 0);
        await SetAsync([("client-id", consumer.ClientId)], ("consumer_byte_rate", null));
    }

    [Fact]
    public async Task KIP599_Who_makes_and_deletes_too_many_partitions_is_refused()
    {
        RawClient admin = await ConnectAsync();
        admin.ClientId = Name("client");
        await SetAsync([("client-id", admin.ClientId)], ("controller_mutation_rate", 0.5));

        // Five and a half partitions may be made at once, or whatever is asked for while nothing is owed.
        string first = Name();
        Assert.Equal((KafkaErrorCode.None, 0), await CreateAsync(admin, first, 10, 7));
        (KafkaErrorCode refused, int throttleMs) = await CreateAsync(admin, Name(), 1, 7);
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, refused);
        Assert.InRange(throttleMs, 1, 20_000);

        // The connection is left alone for that time; others of the client's are not.
        RawClient other = await ConnectAsync();
        other.ClientId = admin.ClientId;
        DeleteTopicsResponse deleted = await other.AskAsync<DeleteTopicsResponse>(new DeleteTopicsRequest { Topics = [new DeleteTopicsRequest.DeleteTopicState { Name = first }], TimeoutMs = 10_000 }, 6);
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Assert.Single(deleted.Responses).ErrorCode);
        RawClient third = await ConnectAsync();
        third.ClientId = admin.ClientId;
        CreatePartitionsResponse grown = await third.AskAsync<CreatePartitionsResponse>(new CreatePartitionsRequest { Topics = [new CreatePartitionsRequest.CreatePartitionsTopic { Name = first, Count = 12, Assignments = null }], TimeoutMs = 10_000 }, 3);
        Assert.Equal(KafkaErrorCode.ThrottlingQuotaExceeded, Assert.Single(grown.Results).ErrorCode);

        // Older versions are slowed down only.
        RawClient old = await ConnectAsync();
        old.ClientId = admin.ClientId;
        (KafkaErrorCode made, throttleMs) = await CreateAsync(old, Name(), 1, 5);
        Assert.Equal(KafkaErrorCode.None, made);
        Assert.True(throttleMs > 0);
        await SetAsync([("client-id", admin.ClientId)], ("controller_mutation_rate", null));
        RawClient free = await ConnectAsync();
        free.ClientId = admin.ClientId;
        Assert.Equal((KafkaErrorCode.None, 0), await CreateAsync(free, Name(), 1, 7));
    }

    [Fact]
    public async Task KIP124_A_client_that_takes_too_much_time_is_told_and_left_alone()
    {
        RawClient busy = await ConnectAsync();
        busy.ClientId = Name("client");
        await SetAsync([("client-id", busy.ClientId)], ("request_percentage", 0.0001));
        int throttleMs = 0;
        long answered = 0;
        for (int i = 0; i < 100 && throttleMs == 0; i++)
        {
            throttleMs = (await busy.AskAsync<ListGroupsResponse>(new ListGroupsRequest(), 5)).ThrottleTimeMs;
            answered = Stopwatch.GetTimestamp();
        }

        // At most a second at a time.
        Assert.InRange(throttleMs, 1, 1000);
        await busy.AskAsync<ListGroupsResponse>(new ListGroupsRequest(), 5);
        Assert.True(Stopwatch.GetElapsedTime(answered).TotalMilliseconds > throttleMs - 100, $"The connection was served before {throttleMs} ms were over.");
        Assert.Equal([$"client-id={busy.ClientId}: request_percentage=0.0001"], await DescribeAsync(strict: true, ("client-id", Exactly, busy.ClientId)));
        await SetAsync([("client-id", busy.ClientId)], ("request_percentage", null));
        await EventuallyAsync(async () => (await busy.AskAsync<ListGroupsResponse>(new ListGroupsRequest(), 5)).ThrottleTimeMs == 0, "no quota any more");
    }

    [Fact]
    public async Task KIP612_An_address_that_opens_too_many_connections_is_not_served()
    {
        // One that no other test connects from.
        const string address = "127.0.0.61";
        try
        {
            await SetAsync([("ip", address)], ("connection_creation_rate", 1));
            Assert.Equal([$"ip={address}: connection_creation_rate=1"], await DescribeAsync(strict: true, ("ip", Exactly, address)));
            int refused = 0;
            for (int i = 0; i < 40 && refused == 0; i++)
            {
                using var socket = new TcpClient(new IPEndPoint(IPAddress.Parse(address), 0));
                await socket.ConnectAsync(Broker.Host, Broker.Port);
                await socket.GetStream().WriteAsync(RawClient.Frame(new ApiVersionsRequest { ClientSoftwareName = "conformance", ClientSoftwareVersion = "1" }, 4, 1));
                refused += await IsClosedAsync(socket) ? 1 : 0;
            }

            Assert.Equal(1, refused);
            await ServesAsync(Client);
        }
        finally
        {
            await SetAsync([("ip", address)], ("connection_creation_rate", null));
        }

    }

    [Fact]
    public async Task Quotas_that_cannot_be()
    {
        (KafkaErrorCode Expected, (string, string?)[] Entity, (string, double?)[] Values)[] cases =
        [
            (KafkaErrorCode.InvalidRequest, [], [("producer_byte_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("planet", "mars")], [("producer_byte_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "")], [("producer_byte_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "c")], [("no_such_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "c")], [("producer_byte_rate", 0.5)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "c")], [("controller_mutation_rate", 0)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "c")], [("request_percentage", 0)]),
            (KafkaErrorCode.InvalidRequest, [("client-id", "c")], [("connection_creation_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1")], [("producer_byte_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1")], [("connection_creation_rate", 0.5)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1")], [("connection_creation_rate", 0)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1")], [("connection_creation_rate", 3e9)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1.2.3")], [("connection_creation_rate", 1)]),
            (KafkaErrorCode.InvalidRequest, [("ip", "10.0.0.1"), ("user", "u")], [("connection_creation_rate", 1)]),
        ];
        foreach ((KafkaErrorCode expected, (string, string?)[] entity, (string, double?)[] values) in cases)
        {
            AlterClientQuotasResponse response = await AlterAsync(entity, validateOnly: false, values);
            Assert.Equal(expected, Assert.Single(response.Entries).ErrorCode);
        }

        string client = Name("client");
        AlterClientQuotasResponse validated = await AlterAsync([("client-id", client)], validateOnly: true, ("producer_byte_rate", 5));
        Assert.Equal(KafkaErrorCode.None, Assert.Single(validated.Entries).ErrorCode);
        Assert.Empty(await DescribeAsync(strict: false, ("client-id", Exactly, client)));
    }

    /// <summary>Whether the connection ends instead of an answer; Kafka resets it, because it has not read what was sent.</summary>
    private static async Task<bool> IsClosedAsync(TcpClient socket)
    {
        try
        {
            return await socket.GetStream().ReadAsync(new byte[4]).AsTask().WaitAsync(Patience) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static async Task<(KafkaErrorCode Error, int ThrottleMs)> CreateAsync(RawClient client, string topic, int partitions, int version)
    {
        CreateTopicsResponse response = await client.AskAsync<CreateTopicsResponse>(
            new CreateTopicsRequest { Topics = [new CreateTopicsRequest.CreatableTopic { Name = topic, NumPartitions = partitions, ReplicationFactor = 1 }], TimeoutMs = 10_000 }, version);
        return (Assert.Single(response.Topics).ErrorCode, response.ThrottleTimeMs);
    }

    private Task<AlterClientQuotasResponse> AlterAsync((string Type, string? Name)[] entity, bool validateOnly, params (string Key, double? Value)[] values) => Client.AskAsync<AlterClientQuotasResponse>(
        new AlterClientQuotasRequest
        {
            Entries =
            [
                new AlterClientQuotasRequest.EntryData
                {
                    Entity = [.. entity.Select(static part => new AlterClientQuotasRequest.EntityData { EntityType = part.Type, EntityName = part.Name })],
                    Ops = [.. values.Select(static value => new AlterClientQuotasRequest.OpData { Key = value.Key, Value = value.Value ?? 0, Remove = value.Value is null })],
                },
            ],
            ValidateOnly = validateOnly,
        },
        1);

    private async Task SetAsync((string Type, string? Name)[] entity, params (string Key, double? Value)[] values)
    {
        AlterClientQuotasResponse response = await AlterAsync(entity, validateOnly: false, values);
        AlterClientQuotasResponse.EntryData entry = Assert.Single(response.Entries);
        Assert.Equal((KafkaErrorCode.None, null), (entry.ErrorCode, entry.ErrorMessage));
        if (values.Any(static value => value.Value is not null))
        {
            // Kafka's brokers hear of it a little later.
            await EventuallyAsync(async () => (await DescribeAsync(strict: true, [.. entity.Select(static part => (part.Type, Exactly, part.Name))])).Count > 0, "quota in force");
        }
        else
        {
            await EventuallyAsync(
                async () => !(await DescribeAsync(strict: true, [.. entity.Select(static part => (part.Type, Exactly, part.Name))])).Exists(line => values.Any(value => line.Contains(value.Key))),
                "quota no longer in force");
        }
    }

    private async Task<List<string>> DescribeAsync(bool strict, params (string Type, sbyte Match, string? Name)[] components)
    {
        DescribeClientQuotasResponse response = await Client.AskAsync<DescribeClientQuotasResponse>(
            new DescribeClientQuotasRequest
            {
                Components = [.. components.Select(static part => new DescribeClientQuotasRequest.ComponentData { EntityType = part.Type, MatchType = part.Match, Match = part.Name })],
                Strict = strict,
            },
            1);
        Assert.Equal((KafkaErrorCode.None, ""), (response.ErrorCode, response.ErrorMessage));
        return [.. response.Entries!
            .Select(static entry => $"{string.Join(' ', entry.Entity.OrderBy(static part => part.EntityType).Select(static part => $"{part.EntityType}={part.EntityName}"))}: {string.Join(' ', entry.Values.OrderBy(static value => value.Key).Select(static value => $"{value.Key}={value.Value}"))}")
            .Order(StringComparer.Ordinal)
            .OrderBy(static line => line.Contains("user="))];
    }
}
