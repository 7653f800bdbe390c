namespace Sluice.LoadGenerator.Client;

/// <summary>Declarations and other questions that are asked once and answered once.</summary>
public static class AmqpTopology
{
    /// <summary>Declares a queue; an empty name lets the server choose.</summary>
    /// <returns>Name, ready messages, consumers.</returns>
    public static (string Name, uint Messages, uint Consumers) DeclareQueue(
        this AmqpClient client, string name, bool durable, bool autoDelete = false, bool exclusive = false, bool passive = false, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        WriteDeclareQueue(client.Writer, name, durable, autoDelete, exclusive, passive, arguments);
        FieldReader answer = client.Call(AmqpMethods.QueueDeclareOk);
        return (answer.ShortString(), answer.Long(), answer.Long());
    }

    /// <summary>Only encodes a queue.declare, for pipelining many.</summary>
    public static void WriteDeclareQueue(
        FrameWriter writer, string name, bool durable, bool autoDelete, bool exclusive, bool passive, IReadOnlyDictionary<string, object?>? arguments)
    {
        int bits = (passive ? 1 : 0) | (durable ? 2 : 0) | (exclusive ? 4 : 0) | (autoDelete ? 8 : 0);
        writer.BeginMethod(AmqpClient.Channel, AmqpMethods.QueueDeclare).Short(0).ShortString(name).Octet((byte)bits).Table(arguments).EndFrame();
    }

    /// <summary>Deletes a queue; returns the messages that went with it.</summary>
    public static uint DeleteQueue(this AmqpClient client, string name, bool ifUnused = false, bool ifEmpty = false)
    {
        WriteDeleteQueue(client.Writer, name, ifUnused, ifEmpty);
        return client.Call(AmqpMethods.QueueDeleteOk).Long();
    }

    /// <summary>Only encodes a queue.delete, for pipelining many.</summary>
    public static void WriteDeleteQueue(FrameWriter writer, string name, bool ifUnused = false, bool ifEmpty = false) =>
        writer.BeginMethod(AmqpClient.Channel, AmqpMethods.QueueDelete).Short(0).ShortString(name).Octet((byte)((ifUnused ? 1 : 0) | (ifEmpty ? 2 : 0))).EndFrame();

    /// <summary>Drops a queue's ready messages; returns how many.</summary>
    public static uint PurgeQueue(this AmqpClient client, string name)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.QueuePurge).Short(0).ShortString(name).Octet(0).EndFrame();
        return client.Call(AmqpMethods.QueuePurgeOk).Long();
    }

    public static void BindQueue(this AmqpClient client, string queue, string exchange, string routingKey, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.QueueBind).Short(0).ShortString(queue).ShortString(exchange).ShortString(routingKey).Octet(0).Table(arguments).EndFrame();
        client.Call(AmqpMethods.QueueBindOk);
    }

    public static void DeclareExchange(this AmqpClient client, string name, string type, bool durable, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.ExchangeDeclare).Short(0).ShortString(name).ShortString(type).Octet(durable ? (byte)2 : (byte)0).Table(arguments).EndFrame();
        client.Call(AmqpMethods.ExchangeDeclareOk);
    }

    public static void DeleteExchange(this AmqpClient client, string name)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.ExchangeDelete).Short(0).ShortString(name).Octet(0).EndFrame();
        client.Call(AmqpMethods.ExchangeDeleteOk);
    }

    /// <summary>Turns on publisher confirms.</summary>
    public static void SelectConfirms(this AmqpClient client)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.ConfirmSelect).Octet(0).EndFrame();
        client.Call(AmqpMethods.ConfirmSelectOk);
    }

    /// <summary>Limits unacknowledged deliveries of the consumers to come.</summary>
    public static void SetPrefetch(this AmqpClient client, ushort count)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.BasicQos).Long(0).Short(count).Octet(0).EndFrame();
        client.Call(AmqpMethods.BasicQosOk);
    }

    /// <summary>Subscribes; deliveries follow. Returns the consumer tag.</summary>
    public static string StartConsumer(this AmqpClient client, string queue, bool autoAcknowledge, IReadOnlyDictionary<string, object?>? arguments = null)
    {
        client.Writer.BeginMethod(AmqpClient.Channel, AmqpMethods.BasicConsume).Short(0).ShortString(queue).ShortString("c").Octet(autoAcknowledge ? (byte)2 : (byte)0).Table(arguments).EndFrame();
        return client.Call(AmqpMethods.BasicConsumeOk).ShortString();
    }

    /// <summary>Only encodes an acknowledgement of all deliveries up to a tag.</summary>
    public static void WriteAcknowledge(FrameWriter writer, ulong deliveryTag, bool multiple) =>
        writer.BeginMethod(AmqpClient.Channel, AmqpMethods.BasicAck).LongLong(deliveryTag).Octet(multiple ? (byte)1 : (byte)0).EndFrame();
}
