using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>What connection.start tells about us. Capabilities are RabbitMQ's names; each one works.</summary>
internal static class ServerProperties
{
    public static byte[] Encode(Amqp091Options options)
    {
        var table = new TableBuilder();
        table.BeginTable("capabilities"u8);
        table.Add("publisher_confirms"u8, true);
        table.Add("exchange_exchange_bindings"u8, true);
        table.Add("basic.nack"u8, true);
        table.Add("consumer_cancel_notify"u8, true);
        table.Add("connection.blocked"u8, true);
        table.Add("consumer_priorities"u8, true);
        table.Add("authentication_failure_close"u8, true);
        table.Add("per_consumer_qos"u8, true);
        table.Add("direct_reply_to"u8, true);
        table.End();
        table.Add("cluster_name"u8, options.ClusterName);
        table.Add("product"u8, "Sluice");
        table.Add("version"u8, options.Version);
        table.Add("platform"u8, $".NET {Environment.Version}");
        table.Add("information"u8, "AMQP 0-9-1 with RabbitMQ's extensions");
        return table.Entries.ToArray();
    }
}
