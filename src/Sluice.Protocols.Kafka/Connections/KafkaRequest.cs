using Microsoft.Extensions.Logging;
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

    /// <summary>Whose it is.</summary>
    public string UserName => connection.Login.UserName;

    /// <summary>Its size.</summary>
    public int Bytes => bytes;

    /// <summary>Its place among the connection's answers.</summary>
    public ResponseSlot Slot { get; } = new();

    private bool IsMeasured => _begunAt != NotMeasured;

    /// <summary>Whether the client may do this with a topic. A refusal is logged.</summary>
    public bool AllowsTopic(AclOperation operation, string name) => Allows(operation, AclResourceType.Topic, name) || Refuse(operation, AclResourceType.Topic, name);

    /// <summary>Whether the client may do this with a group. A refusal is logged.</summary>
    public bool AllowsGroup(AclOperation operation, string name) => Allows(operation, AclResourceType.Group, name) || Refuse(operation, AclResourceType.Group, name);

    /// <summary>Whether the client may do this with a transactional id. A refusal is logged.</summary>
    public bool AllowsTransactionalId(AclOperation operation, string id) => Allows(operation, AclResourceType.TransactionalId, id) || Refuse(operation, AclResourceType.TransactionalId, id);

    /// <summary>Whether the client may do this with the cluster. A refusal is logged.</summary>
    public bool AllowsCluster(AclOperation operation) => Sees(operation) || Refuse(operation, AclResourceType.Cluster, ClientAccess.ClusterName);

    /// <summary>Whether the client may do this, or else that, with the cluster. A refusal of that is logged.</summary>
    public bool AllowsCluster(AclOperation operation, AclOperation otherwise) => Sees(operation) || AllowsCluster(otherwise);

    /// <summary>See <see cref="ClientAccess.ManagesUsers"/>. A refusal is logged.</summary>
    public bool ManagesUsers => connection.Access?.ManagesUsers == true || Refuse(AclOperation.Alter, AclResourceType.Cluster, ClientAccess.ClusterName);

    /// <summary>Whether the client may change how a user logs in: an administrator's password is for administrators to change. A refusal is logged.</summary>
    public bool ManagesUser(string name) => ManagesUsers
        && (connection.Access?.IsAdministrator == true
            || Server.AccessControl.FindUser(name)?.IsAdministrator != true
            || Refuse(AclOperation.Alter, AclResourceType.User, name, "only administrators change how administrators log in"));

    /// <summary>Whether a list that the client asks for has a topic. Nothing is logged: what it may not know of is left out.</summary>
    public bool SeesTopic(string name) => Allows(AclOperation.Describe, AclResourceType.Topic, name);

    /// <summary>Whether a list that the client asks for has a group. Nothing is logged.</summary>
    public bool SeesGroup(string name) => Allows(AclOperation.Describe, AclResourceType.Group, name);

    /// <summary>Whether a list that the client asks for has a transactional id. Nothing is logged.</summary>
    public bool SeesTransactionalId(string id) => Allows(AclOperation.Describe, AclResourceType.TransactionalId, id);

    /// <summary>Whether the client may know of all that the cluster has. Nothing is logged.</summary>
    public bool SeesCluster() => Sees(AclOperation.Describe);

    /// <summary>Whether an answer tells the client what is set of a topic. Nothing is logged.</summary>
    public bool SeesTopicConfig(string name) => Allows(AclOperation.DescribeConfigs, AclResourceType.Topic, name);

    /// <summary>Whether the client may make a topic: one of the name, or any. A refusal is logged.</summary>
    public bool MayCreateTopic(string name) => Sees(AclOperation.Create) || AllowsTopic(AclOperation.Create, name);

    /// <summary>Whether the client may delete a topic: the one of the name, or any. A refusal is logged.</summary>
    public bool MayDeleteTopic(string name) => Sees(AclOperation.Delete) || AllowsTopic(AclOperation.Delete, name);

    /// <summary>Whether the client may have a producer id: it may be idempotent anywhere, or write to some topic (KIP-679). A refusal is logged.</summary>
    public bool MayWriteIdempotently() =>
        Sees(AclOperation.IdempotentWrite) || connection.Access?.WritesSomewhere() == true || Refuse(AclOperation.IdempotentWrite, AclResourceType.Cluster, ClientAccess.ClusterName);

    /// <summary>What the client may do with a topic, as a set of AclOperation codes.</summary>
    public int TopicOperations(string topic) => connection.Access?.OperationsOn(AclResourceType.Topic, topic) ?? 0;

    /// <summary>What the client may do with a group, as a set of AclOperation codes.</summary>
    public int GroupOperations(string group) => connection.Access?.OperationsOn(AclResourceType.Group, group) ?? 0;

    /// <summary>What the client may do with the cluster, as a set of AclOperation codes; nothing if it may not describe it.</summary>
    public int ClusterOperations() => SeesCluster() ? connection.Access?.OperationsOn(AclResourceType.Cluster, ClientAccess.ClusterName) ?? 0 : 0;

    /// <summary>Tells the operator of a change that the client has made.</summary>
    /// <param name="what">As in "created topic 'orders'".</param>
    public void LogChange(string what) => Server.Logger.LogInformation("User '{User}' {What} in virtual host '{VirtualHost}'", UserName, what, Server.Options.VirtualHost);

    /// <summary>Tells the operator of a change that the client has made of what is the whole broker's.</summary>
    public void LogBrokerChange(string what) => Server.Logger.LogInformation("User '{User}' {What}", UserName, what);

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

    private bool Sees(AclOperation operation) => Allows(operation, AclResourceType.Cluster, ClientAccess.ClusterName);

    /// <summary>Tells the operator; false, as the answer of who asked.</summary>
    private bool Refuse(AclOperation operation, AclResourceType type, string name, string? reason = null)
    {
        if (connection.Access is { } access && new RefusedOperation(access.User, operation, type, name) is var refused && Server.RefusedOperations.IsNews(refused))
        {
            Server.Logger.LogWarning(
                "User '{User}' from {Address} was refused {Operation} on {Resource}: {Reason}",
                access.User,
                access.Address,
                operation,
                AclWords.Resource(type, refused.Name),
                reason ?? access.Reason(operation, type, name));
        }

        return false;
    }
}
