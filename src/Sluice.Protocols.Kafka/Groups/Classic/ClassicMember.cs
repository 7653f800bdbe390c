using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>One member of a classic group. Guarded by its shard's lock.</summary>
internal sealed class ClassicMember(string id, string? instanceId, string clientId, string clientHost, string protocolType)
{
    public string Id => id;

    /// <summary>Of a static member (KIP-345): what it is known by over its restarts.</summary>
    public string? InstanceId => instanceId;

    public string ClientId => clientId;

    public string ClientHost => clientHost;

    public string ProtocolType => protocolType;

    public int RebalanceTimeoutMs { get; set; }

    public int SessionTimeoutMs { get; set; }

    /// <summary>What the member can do, in the order of its preference.</summary>
    public JoinGroupRequest.JoinGroupRequestProtocol[] Protocols { get; set; } = [];

    public ReadOnlyMemory<byte> Assignment { get; set; }

    /// <summary>It has not had an answer to its first join: it sends no heartbeats yet.</summary>
    public bool IsNew { get; set; }

    /// <summary>Set by the group, which counts them.</summary>
    public GroupAnswer<JoinGroupResponse>? Join { get; set; }

    public GroupAnswer<SyncGroupResponse>? Sync { get; set; }

    /// <summary>Set while it is a member.</summary>
    public GroupTimer? Session { get; set; }

    /// <summary>Whether it need not have sent a heartbeat: it waits for an answer, and a client does one thing at a time.</summary>
    public bool IsExcused => !IsNew && (Join is not null || Sync is not null);

    /// <summary>The first of its protocols that all others can do too.</summary>
    public string Vote(HashSet<string> candidates) => Protocols.First(protocol => candidates.Contains(protocol.Name)).Name;

    /// <summary>What it says with a protocol; empty if it does not know the protocol.</summary>
    public ReadOnlyMemory<byte> Metadata(string? protocol) => Protocols.FirstOrDefault(known => known.Name == protocol)?.Metadata ?? default;

    public bool HasSame(JoinGroupRequest.JoinGroupRequestProtocol[] protocols)
    {
        if (protocols.Length != Protocols.Length)
        {
            return false;
        }

        for (int i = 0; i < protocols.Length; i++)
        {
            if (protocols[i].Name != Protocols[i].Name || !protocols[i].Metadata.Span.SequenceEqual(Protocols[i].Metadata.Span))
            {
                return false;
            }
        }

        return true;
    }
}
