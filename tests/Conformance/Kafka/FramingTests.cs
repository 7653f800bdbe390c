using Sluice.Conformance.Kafka.Support;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Conformance.Kafka;

/// <summary>Sizes, headers and bodies that are wrong end their own connection, without an answer, and no other.</summary>
public sealed class FramingTests(BrokerFixture broker) : KafkaTest(broker)
{
    /// <summary>What cannot be a request, with why.</summary>
    public static TheoryData<string, string> BadBytes => new()
    {
        { "negative size", "FFFFFFFF" },
        { "smallest size", "80000000" },
        { "oversize: 100 MiB and one", "06400001" },
        { "largest size", "7FFFFFFF" },
        { "HTTP", "474554202F20485454502F312E310D0A0D0A" },
        { "size 0", "00000000" },
        { "no room for a header", "00000002 0012" },
        { "header cut off in the client id", "0000000C 0012 0000 00000001 0005 6162" },
        { "unknown API 999", "0000000A 03E7 0000 00000001 FFFF" },
        { "unknown API -1", "0000000A FFFF 0000 00000001 FFFF" },
        { "API 4 is between brokers only", "0000000A 0004 0000 00000001 FFFF" },
        { "Metadata v99", "0000000E 0003 0063 00000001 FFFF 00 00000000" },
        { "Metadata v-1", "0000000E 0003 FFFF 00000001 FFFF 00000000" },
        { "Produce v2, removed", "0000000A 0000 0002 00000001 FFFF" },
        { "Fetch v3, removed", "0000000A 0001 0003 00000001 FFFF" },
        { "Metadata v1 without a body", "0000000A 0003 0001 00000001 FFFF" },
        { "Metadata v1 cut off", "00000010 0003 0001 00000001 FFFF 00000001 0005" },
        { "Metadata v1, array of more than there is", "0000000E 0003 0001 00000001 FFFF 7FFFFFFF" },
        { "Metadata v9, varint without end", "00000010 0003 0009 00000001 FFFF 00 FFFFFFFFFF" },
        { "tagged field longer than the frame", "0000000D 0003 0009 00000001 FFFF 01 00 7F" },
    };

    [Theory]
    [MemberData(nameof(BadBytes))]
    public async Task Framing_bad_bytes_close_only_their_connection(string what, string hex)
    {
        RawClient other = await ConnectAsync();
        await ServesAsync(other);
        await Client.SendBytesAsync(Hex(hex));
        if (what == "HTTP")
        {
            // Its first four letters are a size of more than 1 GiB.
            Assert.Equal("474554", hex[..6]);
        }

        await Client.IsClosedAsync();
        await ServesAsync(other);
        await ServesAsync(await ConnectAsync());
    }

    [Theory]
    [InlineData("client id of length -2", "0000000A 0012 0000 00000001 FFFE")]
    [InlineData("Metadata v1, array of length -2", "0000000E 0003 0001 00000001 FFFF FFFFFFFE")]
    public async Task Framing_lengths_below_minus_one_are_null_in_Kafka_and_an_error_in_Sluice(string what, string hex)
    {
        Assert.NotEmpty(what);
        await Client.SendBytesAsync(Hex(hex));

        // The protocol says that -1 is null.
        Assert.Equal(BrokerFixture.IsKafka, await Client.ReceiveFrameAsync() is not null);
    }

    [Fact]
    public async Task Framing_what_was_asked_before_the_bad_bytes_is_answered()
    {
        byte[] good = RawClient.Frame(new MetadataRequest { Topics = [] }, 12, 41);
        await Client.SendBytesAsync(good);
        MetadataResponse response = await Client.ReceiveAsync<MetadataResponse>(12, 41);
        Assert.Single(response.Brokers);
        await Client.SendBytesAsync(Hex("FFFFFFFF"));
        await Client.IsClosedAsync();
    }

    [Fact]
    public async Task Framing_bytes_after_the_body_are_no_error_in_Kafka_and_one_in_Sluice()
    {
        byte[] frame = RawClient.Frame(new MetadataRequest { Topics = [] }, 12, 5);
        await Client.SendBytesAsync(RawClient.Frame([.. frame.AsSpan(4), 1, 2, 3]));

        // What follows was meant to be read: a broker that skips it does something else than it was asked for.
        Assert.Equal(BrokerFixture.IsKafka, await Client.ReceiveFrameAsync() is not null);
    }

    [Fact]
    public async Task Framing_header_without_client_id_is_answered()
    {
        await Client.SendBytesAsync(RawClient.Frame(new MetadataRequest { Topics = [] }, 9, 77, clientId: null));
        Assert.Single((await Client.ReceiveAsync<MetadataResponse>(9, 77)).Brokers);
        await Client.SendBytesAsync(RawClient.Frame(new MetadataRequest { Topics = [] }, 9, -5, clientId: ""));
        Assert.Single((await Client.ReceiveAsync<MetadataResponse>(9, -5)).Brokers);
    }

    [Fact]
    public async Task KIP482_unknown_tagged_fields_in_header_and_body_are_skipped()
    {
        // Metadata v9: header with tag 99 of 2 bytes; no topics, no creation, no operations; body with tag 7 of 1 byte.
        await Client.SendBytesAsync(RawClient.Frame(Hex("0003 0009 0000002A FFFF 01 63 02 ABCD  01 00 00 00  01 07 01 EE")));
        Assert.Single((await Client.ReceiveAsync<MetadataResponse>(9, 42)).Brokers);
    }

    [Fact]
    public async Task Framing_request_sent_one_byte_at_a_time_is_answered()
    {
        TestTopic topic = await TopicAsync();
        RawClient slow = await ConnectAsync();
        foreach (byte octet in RawClient.Frame(Produce(topic, -1, (0, BatchBuilder.Of("a", "b"))), 9, 3))
        {
            await slow.SendBytesAsync(new byte[] { octet });
        }

        ProduceResponse response = await slow.ReceiveAsync<ProduceResponse>(9, 3);
        Assert.Equal(KafkaErrorCode.None, response.Responses[0].PartitionResponses[0].ErrorCode);
        Assert.Equal(["a", "b"], await ReadValuesAsync(topic));
    }

    [Fact]
    public async Task Framing_request_cut_off_by_the_end_of_the_connection_does_nothing()
    {
        TestTopic topic = await TopicAsync();
        RawClient cut = await ConnectAsync();
        byte[] frame = RawClient.Frame(Produce(topic, -1, (0, BatchBuilder.Of("a"))), 9, 3);
        await cut.SendBytesAsync(frame.AsMemory(0, frame.Length - 1));
        cut.EndSending();
        await cut.IsClosedAsync();
        Assert.Empty(await ReadValuesAsync(topic));
    }
}
