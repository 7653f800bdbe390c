using Sluice.Broker.Messages;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Tests.Wire;

/// <summary>AMQP-4.2.6.1: property flags and list of class basic.</summary>
public sealed class BasicPropertiesTests
{
    // Every property, by hand: flags FFFC, then the list in order.
    private static readonly byte[] s_all = Convert.FromHexString(
        "FFFC" +
        "01" + "61" + "01" + "62" +
        "00000009" + "01" + "68" + "53" + "00000002" + "6869" +
        "02" + "05" +
        "01" + "63" + "01" + "72" + "03" + "313030" + "01" + "6D" +
        "00000000688F1C00" +
        "01" + "74" + "01" + "75" + "01" + "70" + "01" + "6B");

    [Fact]
    public void All_that_the_broker_acts_on_is_found()
    {
        BasicProperties read = BasicProperties.Read(s_all);
        Assert.Equal(2, read.DeliveryMode);
        Assert.Equal(5, read.Priority);
        Assert.Equal("100"u8, read.Expiration);
        Assert.Equal("r"u8, read.ReplyTo);
        Assert.Equal("u"u8, read.UserId);
        Assert.Equal("hi", ArgumentTable.Read(read.Headers)["h"]);
        Assert.True(read.Headers.SequenceEqual(s_all.AsSpan(read.HeadersOffset, read.Headers.Length)));
    }

    [Fact]
    public void Each_property_alone_is_read()
    {
        for (int bit = 15; bit >= 2; bit--)
        {
            var flag = (BasicPropertyFlags)(1 << bit);
            Assert.True(PropertyList.TryFind(s_all, flag, out ReadOnlySpan<byte> value));
            byte[] prefix = flag switch
            {
                BasicPropertyFlags.Headers or BasicPropertyFlags.DeliveryMode or BasicPropertyFlags.Priority or BasicPropertyFlags.Timestamp => [],
                _ => [(byte)value.Length],
            };
            byte[] alone = [(byte)((ushort)flag >> 8), (byte)flag, .. prefix, .. value];
            Assert.Equal(flag, BasicProperties.Read(alone).Flags);
        }
    }

    [Fact]
    public void Every_prefix_is_refused()
    {
        for (int length = 0; length < s_all.Length; length++)
        {
            Assert.Throws<AmqpException>(() => BasicProperties.Read(s_all.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Octets_after_the_list_are_refused() => Assert.Throws<AmqpException>(() => BasicProperties.Read([.. s_all, 0]));

    [Fact]
    public void Flags_that_class_basic_does_not_have_are_refused()
    {
        Assert.Throws<AmqpException>(() => BasicProperties.Read([0, 1, 0, 0]));
        Assert.Throws<AmqpException>(() => BasicProperties.Read([0, 2]));
    }

    [Fact]
    public void Reading_a_common_message_allocates_nothing()
    {
        BasicProperties.Read(s_all);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            BasicProperties.Read(s_all);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void The_editor_changes_only_what_it_is_asked_to()
    {
        var editor = new PropertiesEditor();
        BasicProperties other = BasicProperties.Read(editor.WithReplyTo(s_all, "somewhere"u8));
        Assert.Equal("somewhere"u8, other.ReplyTo);
        Assert.Equal("100"u8, other.Expiration);
        Assert.Equal("hi", ArgumentTable.Read(other.Headers)["h"]);

        BasicProperties bare = BasicProperties.Read(editor.WithHeaders(s_all, default, removeExpiration: true));
        Assert.Equal(BasicPropertyFlags.None, bare.Flags & (BasicPropertyFlags.Headers | BasicPropertyFlags.Expiration));
        Assert.Equal("r"u8, bare.ReplyTo);

        BasicProperties added = BasicProperties.Read(editor.WithHeaders(BasicProperties.Empty, new TableBuilder().Add("n"u8, 1).Entries, removeExpiration: true));
        Assert.Equal(BasicPropertyFlags.Headers, added.Flags);
        Assert.Equal(1L, ArgumentTable.Read(added.Headers)["n"]);
    }

    [Fact]
    public void The_reader_for_the_broker_finds_headers_keys_and_properties()
    {
        TableBuilder headers = new TableBuilder().Add("n"u8, 7).BeginArray("CC"u8).Item("one").Item("two").End();
        byte[] properties = new PropertiesEditor().WithHeaders(s_all, headers.Entries, removeExpiration: false).ToArray();
        var reader = new Amqp091PropertiesReader();
        IMessageHeaders read = reader.ReadHeaders(properties)!;
        Assert.Equal(2, read.Count);
        Assert.True(read.TryGet("n"u8, out HeaderValue value));
        Assert.Equal((HeaderKind.Integer, 7L), (value.Kind, value.Integer));
        Assert.False(read.TryGet("m"u8, out _));
        Assert.Equal(["one"u8.ToArray(), "two"u8.ToArray()], reader.ReadExtraRoutingKeys(properties)!);
        Assert.Equal(5, reader.ReadPriority(properties));
        Assert.Null(reader.ReadHeaders(BasicProperties.Empty.ToArray()));
        Assert.True(reader.TryReadProperty(properties, MessageProperty.MessageId, out HeaderValue id));
        Assert.Equal("m"u8, id.Bytes);
        Assert.True(reader.TryReadProperty(properties, MessageProperty.Timestamp, out HeaderValue time));
        Assert.Equal(0x688F1C00, time.Integer);
        Assert.False(reader.TryReadProperty(BasicProperties.Empty, MessageProperty.AppId, out _));
    }
}
