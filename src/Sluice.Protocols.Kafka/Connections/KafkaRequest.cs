using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>One request on its way to its answer.</summary>
internal sealed class KafkaRequest(KafkaConnection connection, KafkaApi api, KafkaRequestHeader header)
{
    public KafkaConnection Connection => connection;

    public KafkaServer Server => connection.Server;

    public KafkaApi Api => api;

    public KafkaRequestHeader Header => header;

    public short Version => header.ApiVersion;

    /// <summary>Its place among the connection's answers.</summary>
    public ResponseSlot Slot { get; } = new();

    /// <summary>Answers it. Any thread, once.</summary>
    public void Reply(IKafkaMessage response) => Reply(response, Version);

    /// <summary>Answers it in another version than it was asked in.</summary>
    public void Reply(IKafkaMessage response, short version)
    {
        var writer = new KafkaWriter(Server.Buffers);
        try
        {
            writer.BeginFrame();
            new KafkaResponseHeader(header.CorrelationId).Write(writer, api.ResponseHeaderVersion(header.ApiVersion));
            response.Write(writer, version);
            writer.EndFrame();
        }
        catch
        {
            writer.Dispose();
            throw;
        }

        Slot.Writer = writer;
        connection.Responses.Complete(Slot);
    }

    /// <summary>Ends it without an answer, as a produce request with acks=0 asks for.</summary>
    public void EndSilently() => connection.Responses.Complete(Slot);
}
