using System.Text;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Fuzz;

/// <summary>Well-formed AMQP 0-9-1 inputs, one list for each target.</summary>
internal static class Amqp091Seeds
{
    /// <summary>Protocol header to connection.open and channel.open.</summary>
    public static byte[] Login()
    {
        byte[] properties = new TableBuilder().BeginTable("capabilities"u8).Add("connection.blocked"u8, true).Add("authentication_failure_close"u8, true).End().Entries.ToArray();
        return
        [
            .. ProtocolHeader.Bytes,
            .. Method(0, new ConnectionStartOk { ClientProperties = properties, Mechanism = "PLAIN"u8, Response = "\0guest\0guest"u8, Locale = "en_US"u8 }),
            .. Method(0, new ConnectionTuneOk { ChannelMax = 10, FrameMax = 4096, Heartbeat = 10 }),
            .. Method(0, new ConnectionOpen { VirtualHost = "/"u8 }),
            .. Method(1, new ChannelOpen()),
        ];
    }

    /// <summary>Inputs with their target byte and piece byte.</summary>
    public static IReadOnlyList<byte[]> All()
    {
        byte[] session = Session();
        byte[] table = Table();
        byte[] properties = Properties(table);
        return
        [
            [0, 7, .. session],
            [1, 0, .. table],
            [2, 0, .. properties],
            [3, 63, .. Login()],
            [3, 255, .. Login(), .. session],
            [4, 255, .. session],
            [4, 30, .. session],
        ];
    }

    private static byte[] Table() => new TableBuilder()
        .Add("x-max-priority"u8, 5).Add("flag"u8, true).Add("real"u8, 1.5).Add("text"u8, "é").AddTimestamp("time"u8, 1_700_000_000)
        .BeginArray("CC"u8).Item("a").Item("b").BeginItem(FieldType.Table).Add("deep"u8, 1).End().End()
        .BeginTable("nested"u8).Add("y"u8, "z").End().Entries.ToArray();

    private static byte[] Properties(byte[] table) =>
    [
        0xFF, 0xFC, 1, (byte)'t', 1, (byte)'e',
        0, 0, (byte)(table.Length >> 8), (byte)table.Length, .. table,
        2, 5, 1, (byte)'c', 1, (byte)'r', 3, (byte)'1', (byte)'0', (byte)'0', 1, (byte)'m',
        0, 0, 0, 0, 0x68, 0x8F, 0x1C, 0, 1, (byte)'t', 5, .. "guest"u8, 1, (byte)'p', 1, (byte)'k',
    ];

    private static byte[] Session()
    {
        byte[] properties = Properties(Table());
        return
        [
            .. Method(1, new QueueDeclare { Queue = "q"u8, Arguments = new TableBuilder().Add("x-max-length"u8, 10).Entries }),
            .. Method(1, new ExchangeDeclare { Exchange = "e"u8, Type = "topic"u8 }),
            .. Method(1, new QueueBind { Queue = "q"u8, Exchange = "e"u8, RoutingKey = "a.#"u8 }),
            .. Method(1, new ConfirmSelect()),
            .. Publish(1, "e", "a.b", "hello", properties, mandatory: true),
            .. Publish(1, "", "nowhere", "", [0, 0], mandatory: true),
            .. Publish(1, "", "q", new string('x', 5000), [0x10, 0, 2], mandatory: false),
            .. Method(1, new BasicQos { PrefetchCount = 10 }),
            .. Method(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8, Arguments = new TableBuilder().Add("x-priority"u8, 1).Entries }),
            .. Method(1, new BasicNack { DeliveryTag = 1, Requeue = true }),
            .. Method(1, new BasicAck { DeliveryTag = 2, Multiple = true }),
            .. Method(1, new BasicCancel { ConsumerTag = "c"u8 }),
            .. Method(1, new BasicGet { Queue = "q"u8, NoAck = true }),
            .. FrameWriter.Heartbeat,
            .. Method(2, new ChannelOpen()),
            .. Method(2, new TxSelect()),
            .. Publish(2, "", "q", "in a transaction", [0, 0], mandatory: true),
            .. Method(2, new TxCommit()),
            .. Method(2, new TxRollback()),
            .. Method(2, new QueuePurge { Queue = "q"u8 }),
            .. Method(2, new QueueDelete { Queue = "q"u8 }),
            .. Method(2, new ExchangeDelete { Exchange = "e"u8 }),
            .. Method(2, new ChannelClose { ReplyCode = 200, ReplyText = "bye"u8 }),
            .. Method(0, new ConnectionClose { ReplyCode = 200, ReplyText = "bye"u8 }),
        ];
    }

    private static byte[] Method<T>(ushort channel, in T method)
        where T : IMethod, allows ref struct
    {
        byte[] bytes = new byte[FrameWriter.MethodFrameSize(method)];
        FrameWriter.WriteMethod(bytes, channel, method);
        return bytes;
    }

    private static byte[] Publish(ushort channel, string exchange, string routingKey, string body, byte[] properties, bool mandatory)
    {
        byte[] bodyBytes = Encoding.UTF8.GetBytes(body);
        byte[] content = new byte[FrameWriter.ContentSize(properties.Length, bodyBytes.Length, 4096)];
        FrameWriter.WriteContent(content, channel, 60, properties, bodyBytes, 4096);
        return [.. Method(channel, new BasicPublish { Exchange = Encoding.UTF8.GetBytes(exchange), RoutingKey = Encoding.UTF8.GetBytes(routingKey), Mandatory = mandatory }), .. content];
    }
}
