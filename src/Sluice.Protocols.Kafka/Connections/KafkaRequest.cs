using Sluice.Protocols.Kafka.Wire;
using Sluice.Security;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>One request on its way to its answer.</summary>
internal sealed class KafkaRequest(KafkaConnection connection, KafkaApi api, KafkaRequestHeader header, int bytes)
{
    /// <summary>What the cluster is called where permissions are asked for.</summary>
    public const string ClusterName = "kafka-cluster";

    public KafkaConnection Connection => connection;

    public KafkaServer Server => connection.Server;

    public KafkaApi Api => api;

    public KafkaRequestHeader Header => header;

    public short Version => header.ApiVersion;

    /// <summary>Its size.</summary>
    public int Bytes => bytes;

    /// <summary>Its place among the connection's answers.</summary>
    public ResponseSlot Slot { get; } = new();

    /// <summary>Whether the client may do this with a topic or group of the name.</summary>
    public bool Allows(Access access, string name) => connection.Access?.Allows(access, name) == true;

    /// <summary>Whether the client may know of a topic or group: it may do something with it.</summary>
    public bool MayDescribe(string name) => Allows(Access.Read, name) || Allows(Access.Write, name) || Allows(Access.Configure, name);

    /// <summary>What the client may do with a topic, as a set of AclOperation codes.</summary>
    public int TopicOperations(string topic) =>
        (Allows(Access.Read, topic) ? Bits(AclOperation.Read, AclOperation.Describe) : 0)
        | (Allows(Access.Write, topic) ? Bits(AclOperation.Write, AclOperation.Describe) : 0)
        | (Allows(Access.Configure, topic) ? Bits(AclOperation.Create, AclOperation.Delete, AclOperation.Alter, AclOperation.Describe, AclOperation.DescribeConfigs, AclOperation.AlterConfigs) : 0);

    /// <summary>What the client may do with a consumer group, as a set of AclOperation codes.</summary>
    public int GroupOperations(string group) =>
        (Allows(Access.Read, group) ? Bits(AclOperation.Read, AclOperation.Describe) : 0)
        | (Allows(Access.Configure, group) ? Bits(AclOperation.Delete, AclOperation.Describe) : 0);

    /// <summary>What the client may do with the cluster, as a set of AclOperation codes.</summary>
    public int ClusterOperations() => Allows(Access.Configure, ClusterName)
        ? Bits(AclOperation.Create, AclOperation.Alter, AclOperation.Describe, AclOperation.ClusterAction, AclOperation.DescribeConfigs, AclOperation.AlterConfigs, AclOperation.IdempotentWrite)
        : 0;

    /// <summary>Counts bytes for a quota of the client; if they are too many the connection is not read for the time returned, in ms, which the answer is to tell (KIP-219).</summary>
    public int Throttle(string quota, long count)
    {
        int throttleMs = Server.Quotas.Count(quota, connection.Login.UserName, header.ClientId ?? "", count);
        if (throttleMs > 0)
        {
            connection.Mute(throttleMs);
        }

        return throttleMs;
    }

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

    private static int Bits(params ReadOnlySpan<AclOperation> operations)
    {
        int bits = 0;
        foreach (AclOperation operation in operations)
        {
            bits |= 1 << (int)operation;
        }

        return bits;
    }
}
