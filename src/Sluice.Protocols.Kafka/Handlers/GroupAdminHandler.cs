using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>ListGroups, DescribeGroups, DeleteGroups.</summary>
internal sealed class GroupAdminHandler(GroupCoordinator groups, ShareCoordinator shares)
{
    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, ListGroupsRequest body)
    {
        ListGroupsResponse response = await groups.ListAsync().ConfigureAwait(false);
        bool mayAll = request.SeesCluster();
        response.Groups = [.. response.Groups
            .Where(group => (mayAll || request.SeesGroup(group.GroupId)) && Passes(body.StatesFilter, group.GroupState) && Passes(body.TypesFilter, group.GroupType))
            .OrderBy(static group => group.GroupId, StringComparer.Ordinal)];
        return response;
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DescribeGroupsRequest body)
    {
        var described = new List<DescribeGroupsResponse.DescribedGroup>(body.Groups.Length);
        foreach (string groupId in body.Groups)
        {
            DescribeGroupsResponse.DescribedGroup group = request.AllowsGroup(AclOperation.Describe, groupId)
                ? await groups.DescribeAsync(groupId, request.Version).ConfigureAwait(false)
                : new DescribeGroupsResponse.DescribedGroup { GroupId = groupId, ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
            if (body.IncludeAuthorizedOperations && group.ErrorCode == KafkaErrorCode.None)
            {
                group.AuthorizedOperations = request.GroupOperations(groupId);
            }

            described.Add(group);
        }

        return new DescribeGroupsResponse { Groups = [.. described] };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DeleteGroupsRequest body)
    {
        var results = new List<DeleteGroupsResponse.DeletableGroupResult>(body.GroupsNames.Length);
        foreach (string groupId in body.GroupsNames.Distinct(StringComparer.Ordinal))
        {
            results.Add(new DeleteGroupsResponse.DeletableGroupResult
            {
                GroupId = groupId,
                ErrorCode = request.AllowsGroup(AclOperation.Delete, groupId) ? await DeleteAsync(groupId).ConfigureAwait(false) : KafkaErrorCode.GroupAuthorizationFailed,
            });
        }

        return new DeleteGroupsResponse { Results = [.. results] };
    }

    private async ValueTask<KafkaErrorCode> DeleteAsync(string groupId) => await shares.DeleteAsync(groupId).ConfigureAwait(false) ?? await groups.DeleteAsync(groupId).ConfigureAwait(false);

    private static bool Passes(string[] filter, string value) => filter.Length == 0 || filter.Any(wanted => string.Equals(wanted.Trim(), value, StringComparison.OrdinalIgnoreCase));
}
