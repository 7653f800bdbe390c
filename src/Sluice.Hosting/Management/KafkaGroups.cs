using Sluice.Admin;
using Sluice.Broker;
using Sluice.Protocols.Kafka;

namespace Sluice.Hosting.Management;

/// <summary>Shows the groups of Kafka clients to the management API.</summary>
internal sealed class KafkaGroups(KafkaServer server) : IGroupSource
{
    public string VirtualHost => server.VirtualHost;

    public BrokerResult<GroupList> List()
    {
        BrokerResult<Protocols.Kafka.Groups.Overview.GroupListing> listed = server.GroupOverview.List();
        return new BrokerResult<GroupList>(listed.Status, listed.Detail, listed.Value is { } value ? new GroupList([.. value.Groups.Select(Describe)], value.FailedPartitions) : null);
    }

    public BrokerResult<GroupInfo> Find(string name)
    {
        BrokerResult<Protocols.Kafka.Groups.Overview.GroupInfo> found = server.GroupOverview.Find(name);
        return new BrokerResult<GroupInfo>(found.Status, found.Detail, found.Value is { } group ? Describe(group) : null);
    }

    private static GroupInfo Describe(Protocols.Kafka.Groups.Overview.GroupInfo group) => new()
    {
        Name = group.Name,
        Type = group.Type,
        State = group.State,
        Protocol = group.Protocol,
        Members = [.. group.Members.Select(static member => new GroupMember(member.Id, member.InstanceId, member.ClientId, member.Host, member.Assigned))],
        Partitions = [.. group.Positions.Select(static position => new GroupPartition(position.Topic, position.Partition, position.Offset, position.EndOffset, position.Lag))],
    };
}
