using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>One request on its way to its answer.</summary>
internal sealed class KafkaRequest(KafkaConnection connection, KafkaApi api, KafkaRequestHeader header, int bytes)
{
    private const long NotMeasured = -1;

    // Logging in is before any quota: nobody is known to have one.
    private readonly long _begunAt =
        connection.Server.Quotas.MeasuresRequests && api.Key is not (KafkaApiKey.SaslHandshake or KafkaApiKey.SaslAuthenticate) ? connection.Server.Clock.GetTimestamp() : NotMeasured;

    private long _handledTicks;

    public KafkaConnection Connection => connection;

    public KafkaServer Server => connection.Server;

    public KafkaApi Api => api;

    public KafkaRequestHeader Header => header;

    public short Version => header.ApiVersion;

    /// <summary>Its size.</summary>
    public int Bytes => bytes;

    /// <summary>Its place among the connection's answers.</summary>
    public ResponseSlot Slot { get; } = new();

    private bool IsMeasured => _begunAt != NotMeasured;

    /// <summary>Whether the client may do this with a topic.</summary>
    public bool AllowsTopic(AclOperation operation, string name) => Allows(operation, AclResourceType.Topic, name);

    /// <summary>Whether the client may do this with a group.</summary>
    public bool AllowsGroup(AclOperation operation, string name) => Allows(operation, AclResourceType.Group, name);

    /// <summary>Whether the client may do this with a transactional id.</summary>
    public bool AllowsTransactionalId(AclOperation operation, string id) => Allows(operation, AclResourceType.TransactionalId, id);

    /// <summary>Whether the client may do this with the cluster.</summary>
    public bool AllowsCluster(AclOperation operation) => Allows(operation, AclResourceType.Cluster, ClientAccess.ClusterName);

    /// <summary>See <see cref="ClientAccess.ManagesUsers"/>.</summary>
    public bool ManagesUsers => connection.Access?.ManagesUsers == true;

    /// <summary>Whether the client is an administrator.</summary>
    public bool IsAdministrator => connection.Access?.IsAdministrator == true;

    /// <summary>Whether the client may know of a topic.</summary>
    public bool SeesTopic(string name) => AllowsTopic(AclOperation.Describe, name);

    /// <summary>Whether the client may know of a group.</summary>
    public bool SeesGroup(string name) => AllowsGroup(AclOperation.Describe, name);

    /// <summary>Whether the client may make a topic: one of the name, or any.</summary>
    public bool MayCreateTopic(string name) => AllowsCluster(AclOperation.Create) || AllowsTopic(AclOperation.Create, name);

    /// <summary>Whether the client may have a producer id: it may be idempotent anywhere, or write to some topic (KIP-679).</summary>
    public bool MayWriteIdempotently() => AllowsCluster(AclOperation.IdempotentWrite) || connection.Access?.WritesSomewhere() == true;

    /// <summary>What the client may do with a topic, as a set of AclOperation codes.</summary>
    public int TopicOperations(string topic) => connection.Access?.OperationsOn(AclResourceType.Topic, topic) ?? 0;

    /// <summary>What the client may do with a group, as a set of AclOperation codes.</summary>
    public int GroupOperations(string group) => connection.Access?.OperationsOn(AclResourceType.Group, group) ?? 0;

    /// <summary>What the client may do with the cluster, as a set of AclOperation codes; nothing if it may not describe it.</summary>
    public int ClusterOperations() => AllowsCluster(AclOperation.Describe) ? connection.Access?.OperationsOn(AclResourceType.Cluster, ClientAccess.ClusterName) ?? 0 : 0;

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

    /// <summary>What the request may take of the client's quota for making and deleting partitions.</summary>
    /// <param name="strictFrom">The first version that knows of a refusal.</param>
    public MutationQuota Mutate(short strictFrom) => Server.Quotas.Mutate(connection.Login.UserName, header.ClientId ?? "", Version >= strictFrom);

    /// <summary>The connection is not read for the time that the quota asks for, in ms, which is returned for the answer.</summary>
    public int Throttle(MutationQuota quota)
    {
        if (quota.ThrottleMs > 0)
        {
            connection.Mute(quota.ThrottleMs);
        }

        return quota.ThrottleMs;
    }

    /// <summary>The connection has done its part and goes on; the answer may come later. What is waited for until then counts for no quota.</summary>
    public void EndHandling()
    {
        if (IsMeasured)
        {
            Volatile.Write(ref _handledTicks, Server.Clock.GetElapsedTime(_begunAt).Ticks);
        }
    }

    /// <summary>Answers it. Any thread, once.</summary>
    public void Reply(IKafkaMessage response) => Reply(response, Version);

    /// <summary>Answers it in another version than it was asked in.</summary>
    public void Reply(IKafkaMessage response, short version)
    {
        ThrottleTime(response as IThrottledResponse);
        long encodedFrom = IsMeasured ? Server.Clock.GetTimestamp() : 0;
        var writer = new KafkaWriter(Server.Buffers) { ErrorWritten = Server.Metrics.ErrorWritten };
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

        if (IsMeasured)
        {
            Server.Quotas.CountTime(connection.Login.UserName, header.ClientId ?? "", Server.Clock.GetElapsedTime(encodedFrom));
        }

        Slot.Writer = writer;
        connection.Responses.Complete(Slot);
    }

    /// <summary>Ends it without an answer, as a produce request with acks=0 asks for.</summary>
    public void EndSilently()
    {
        ThrottleTime(null);
        connection.Responses.Complete(Slot);
    }

    /// <summary>Counts the time that the request took, for a quota of time (KIP-124).</summary>
    private void ThrottleTime(IThrottledResponse? response)
    {
        if (!IsMeasured)
        {
            return;
        }

        long handled = Volatile.Read(ref _handledTicks);
        int throttleMs = Server.Quotas.CountTime(connection.Login.UserName, header.ClientId ?? "", handled > 0 ? TimeSpan.FromTicks(handled) : Server.Clock.GetElapsedTime(_begunAt));
        if (throttleMs > 0)
        {
            connection.Mute(throttleMs);
            if (response is not null)
            {
                response.ThrottleTimeMs = Math.Max(response.ThrottleTimeMs, throttleMs);
            }
        }
    }

    private bool Allows(AclOperation operation, AclResourceType type, string name) => connection.Access?.Allows(operation, type, name) == true;
}
