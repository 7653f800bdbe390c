using Sluice.Admin.Http;
using Sluice.Admin.Json;

namespace Sluice.Admin.Handlers;

/// <summary>/api/groups: consumer groups and share groups, which Kafka clients and consumers of share groups form. RabbitMQ has no such thing.</summary>
internal static class GroupHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/groups", Role.Management, static request => ReplyAsync(request, IsVisible(request)));
        routes.Get("api/groups/{vhost}", Role.Management, OfVirtualHost);
        routes.Get("api/groups/{vhost}/{group}", Role.Management, One);
    }

    /// <summary>Whether the user may see what Kafka clients do: the virtual host that they work in.</summary>
    public static bool IsVisible(AdminRequest request) => request.Context.Groups is { } groups && request.VisibleVirtualHosts().Any(host => host.Name == groups.VirtualHost);

    private static Task OfVirtualHost(AdminRequest request) => ReplyAsync(request, request.VirtualHost().Name == request.Context.Groups?.VirtualHost);

    private static Task ReplyAsync(AdminRequest request, bool hasGroups)
    {
        IReadOnlyList<GroupInfo> groups = [];
        if (hasGroups)
        {
            (groups, IReadOnlyList<int> failed) = AdminException.ValueOf(request.Context.Groups!.List());
            if (failed.Count > 0)
            {
                request.RemarkToUser($"Groups are missing here: those in partition{(failed.Count == 1 ? "" : "s")} {string.Join(", ", failed)} of __consumer_offsets are not served after an error; the broker's log has the details.");
            }
        }

        return request.ReplyListAsync(groups.Select(group => Model(request, group)), AdminJson.Default.GroupModel);
    }

    private static Task One(AdminRequest request)
    {
        string host = request.VirtualHost().Name;
        GroupInfo group = request.Context.Groups is { } source && source.VirtualHost == host
            ? AdminException.ValueOf(source.Find(request["group"]))
            : throw AdminException.NotFound($"there is no group '{request["group"]}'");
        return request.ReplyAsync(Model(request, group) with { MemberDetails = [.. group.Members.Select(Model)], PartitionDetails = Details(group) }, AdminJson.Default.GroupModel);
    }

    private static GroupModel Model(AdminRequest request, GroupInfo group) =>
        new(group.Name, request.Context.Groups!.VirtualHost, group.Type, group.State, group.Protocol, group.Members.Count, group.Partitions.Count, group.Lag);

    private static GroupMemberModel Model(GroupMember member) => new(
        member.Id,
        member.InstanceId,
        member.ClientId,
        member.Host,
        [.. member.Assigned.GroupBy(static partition => partition.Topic).OrderBy(static topic => topic.Key, StringComparer.Ordinal).Select(static topic => new AssignmentModel(topic.Key, [.. topic.Select(static partition => partition.Partition).Order()]))]);

    /// <summary>With who reads each partition, if that is one member: those of a share group may be many.</summary>
    private static IReadOnlyList<GroupPartitionModel> Details(GroupInfo group)
    {
        ILookup<(string, int), GroupMember> readers = group.Members.SelectMany(static member => member.Assigned.Select(partition => (partition, member))).ToLookup(static pair => pair.partition, static pair => pair.member);
        return [.. group.Partitions.Select(partition =>
        {
            GroupMember? reader = readers[(partition.Topic, partition.Partition)].Take(2).ToArray() is [var only] ? only : null;
            return new GroupPartitionModel(partition.Topic, partition.Partition, partition.Offset, partition.EndOffset, partition.Lag, reader?.Id, reader?.ClientId, reader?.Host);
        })];
    }
}
