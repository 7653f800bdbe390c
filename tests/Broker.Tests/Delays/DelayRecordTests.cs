using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Tests.Delays;

public sealed class DelayRecordTests
{
    private const string Name = "0A" + "64656C6179";

    /// <summary>The header's value: version, due, flags, format, priority, time to live; then names, keys, properties and deaths with their lengths.</summary>
    private const string Value =
        "01" + "0000018BCFE56800" + "01" + "01" + "09" + "0000000000003039"
        + "0010" + "686F6C64696E672065786368616E6765" + "0001" + "78" + "0003" + "6B6579"
        + "0002" + "0002" + "6363" + "0000"
        + "00000003" + "100002" + "00000006" + "646561746873";

    private const string Plain =
        "01" + "0000000000000001" + "00" + "00" + "00" + "FFFFFFFFFFFFFFFF"
        + "0001" + "68" + "0000" + "0000" + "0000" + "00000000" + "00000000";

    [Fact]
    public void Delayed_message_has_these_record_headers()
    {
        var message = new MessageToPublish
        {
            Exchange = "x"u8,
            RoutingKey = "key"u8,
            ExtraRoutingKeys = ["cc"u8.ToArray(), []],
            Format = PropertiesFormat.Amqp091,
            Properties = [0x10, 0, 2],
            Persistent = true,
            TimeToLiveMs = 12_345,
            Priority = 9,
            Deaths = "deaths"u8,
        };
        Assert.Equal(Name + "8E01" + Value, Write("holding exchange"u8, message, 1_700_000_000_000));
        Assert.Equal(Name + "4A" + Plain, Write("h"u8, new MessageToPublish(), 1));
    }

    [Fact]
    public void Delayed_message_of_these_record_headers_is_read()
    {
        RecordView record = Record(Name + "8E01" + Value);
        Assert.Equal(1_700_000_000_000, DelayRecord.ReadDue(record));
        DelayRecord.Read(record, out DelayedMessage delayed);
        Assert.Equal(1_700_000_000_000, delayed.DueMs);
        Assert.Equal(["holding exchange", "x", "key"], [Text(delayed.Holder), Text(delayed.Message.Exchange), Text(delayed.Message.RoutingKey)]);
        Assert.Equal(["cc", ""], delayed.Message.ExtraRoutingKeys!.Select(key => Text(key)));
        Assert.Equal(["100002", "deaths", "body"], [Convert.ToHexString(delayed.Message.Properties), Text(delayed.Message.Deaths), Text(delayed.Message.Body)]);
        Assert.Equal((PropertiesFormat.Amqp091, true, 12_345L, (byte)9), (delayed.Message.Format, delayed.Message.Persistent, delayed.Message.TimeToLiveMs, delayed.Message.Priority));

        DelayRecord.Read(Record(Name + "4A" + Plain), out delayed);
        Assert.Equal((1L, PropertiesFormat.None, false, -1L, (byte)0), (delayed.DueMs, delayed.Message.Format, delayed.Message.Persistent, delayed.Message.TimeToLiveMs, delayed.Message.Priority));
        Assert.Null(delayed.Message.ExtraRoutingKeys);
    }

    [Theory]
    [InlineData(Name + "4A" + "02" + "0000000000000001" + "00" + "00" + "00" + "FFFFFFFFFFFFFFFF" + "0001" + "68" + "0000" + "0000" + "0000" + "00000000" + "00000000", "version 2")]
    [InlineData("0A" + "64656C6178" + "4A" + Plain, "not a delayed message")]
    [InlineData(Name + "02" + "01", "not a delayed message")]
    [InlineData("", "not a delayed message")]
    public void Other_records_are_refused(string headers, string reason)
    {
        StorageFormatException refused = Assert.Throws<StorageFormatException>(() => DelayRecord.ReadDue(Record(headers)));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_logs_of_the_wheel_are_named_in_the_metadata_level_by_level_and_a_message_lies_in_that_of_its_bucket()
    {
        using var fixture = new DelayFixture();
        LogId[] logs = [.. fixture.Delays.LogIds];
        Assert.Equal(640, logs.Length);
        Assert.Equal(
            $"{{\"V\":1,\"Logs\":[{string.Join(',', logs.Select(id => id.Value))}]}}",
            Text(fixture.Store.Metadata.Get(MetadataKeys.DelayLogs("/"))!.Value.Span));
        long now = fixture.NowMs / 1000;
        foreach (long delay in (long[])[100, 6_000, 400_000, 20_000_000, 1_500_000_000])
        {
            fixture.Schedule("m", delay * 1000);
        }

        long[] filled = [.. logs.Index().Where(log => fixture.Store.FindLog(log.Item)!.NextOffset > 0).Select(log => (long)log.Index)];
        Assert.Equal(
            [
                (now + 100) % 128,
                128 + ((now + 6_000) / 64 % 128),
                256 + ((now + 400_000) / 4096 % 128),
                384 + ((now + 20_000_000) / 262_144 % 128),
                512 + ((now + 1_500_000_000) / 16_777_216 % 128),
            ],
            filled);
    }

    private static string Write(ReadOnlySpan<byte> holder, in MessageToPublish message, long dueMs)
    {
        byte[] headers = [];
        int length = DelayRecord.WriteHeaders(ref headers, holder, message, dueMs);
        return Convert.ToHexString(headers, 0, length);
    }

    private static RecordView Record(string headers) => new() { Offset = 3, Value = "body"u8, Headers = Convert.FromHexString(headers), HeaderCount = headers.Length == 0 ? 0 : 1 };

    private static string Text(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetString(utf8);
}
