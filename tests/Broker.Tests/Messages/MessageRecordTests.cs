using Sluice.Broker.Messages;
using Sluice.Storage.Records;

namespace Sluice.Broker.Tests.Messages;

public sealed class MessageRecordTests
{
    private const string To = "04" + "746F" + "0A" + "01" + "78" + "6B6579";
    private const string Amqp = "08" + "616D7170" + "06" + "100002";
    private const string TimeToLive = "06" + "74746C" + "10" + "0000018BCFE56800";
    private const string Death = "0A" + "6465617468" + "06" + "010000";

    [Fact]
    public void Message_has_these_record_headers()
    {
        var message = new MessageToPublish
        {
            Exchange = "x"u8,
            RoutingKey = "key"u8,
            Format = PropertiesFormat.Amqp091,
            Properties = [0x10, 0, 2],
            Deaths = [1, 0, 0],
        };
        Assert.Equal((To + Amqp + TimeToLive + Death, 4), Write(message, 1_700_000_000_000));
        Assert.Equal((To, 1), Write(new MessageToPublish { Exchange = "x"u8, RoutingKey = "key"u8 }, -1));
        Assert.Equal(("04" + "746F" + "02" + "00", 1), Write(new MessageToPublish(), -1));
    }

    [Fact]
    public void Message_of_these_record_headers_is_read_and_those_of_others_are_left_alone()
    {
        string foreign = "06" + "666F6F" + "01" + "06" + "626172" + "06" + "626172";
        var record = new RecordView { IsBrokerMessage = true, Offset = 7, Timestamp = 8, Value = "body"u8, Headers = Convert.FromHexString(foreign + To + Amqp + TimeToLive + Death), HeaderCount = 6 };
        MessageRecord.Read(record, out MessageView message);
        Assert.Equal((7L, 8L, 1_700_000_000_000L, PropertiesFormat.Amqp091), (message.Offset, message.TimestampMs, message.ExpiresAtMs, message.Format));
        Assert.Equal(["x", "key", "body"], [Text(message.Exchange), Text(message.RoutingKey), Text(message.Body)]);
        Assert.Equal(["100002", "010000"], [Convert.ToHexString(message.Properties), Convert.ToHexString(message.Deaths)]);
    }

    [Fact]
    public void Record_of_a_kafka_client_is_handed_on_as_it_is()
    {
        var record = new RecordView { Offset = 7, Timestamp = 8, HasKey = true, Key = "k"u8, HasValue = true, Value = "body"u8, Headers = Convert.FromHexString(To + Amqp + TimeToLive + Death), HeaderCount = 4 };
        MessageRecord.Read(record, out MessageView message);
        Assert.Equal((7L, 8L, -1L, PropertiesFormat.Kafka, true, 4), (message.Offset, message.TimestampMs, message.ExpiresAtMs, message.Format, message.HasKey, message.HeaderCount));
        Assert.Equal(["k", "body"], [Text(message.Key), Text(message.Body)]);
        Assert.Equal(To + Amqp + TimeToLive + Death, Convert.ToHexString(message.Headers));
        Assert.True(message.Exchange.IsEmpty && message.RoutingKey.IsEmpty && message.Properties.IsEmpty && message.Deaths.IsEmpty);
    }

    [Fact]
    public void Persisted_numbers_never_change()
    {
        Assert.Equal([0, 1, 2], Enum.GetValues<PropertiesFormat>().Select(static format => (int)format));
        Assert.Equal([1, 2, 3, 4], Enum.GetValues<DeathReason>().Select(static reason => (int)reason));
    }

    private static (string Hex, int Count) Write(in MessageToPublish message, long expiresAtMs)
    {
        byte[] headers = new byte[MessageRecord.HeaderBytesMax(message)];
        int length = MessageRecord.WriteHeaders(message, expiresAtMs, headers, out int count, out _);
        return (Convert.ToHexString(headers, 0, length), count);
    }

    private static string Text(ReadOnlySpan<byte> utf8) => System.Text.Encoding.UTF8.GetString(utf8);
}
