using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Classic;

/// <summary>DescribeGroups.</summary>
internal static class ClassicDescription
{
    private const short SaysGroupNotFound = 6;

    /// <param name="group">Null: there is no such group.</param>
    /// <param name="groupId">Its name.</param>
    /// <param name="version">Of the request; before version 6 a group that is not there is one in state Dead.</param>
    public static DescribeGroupsResponse.DescribedGroup Describe(ClassicGroup? group, string groupId, short version)
    {
        if (group is null)
        {
            return new DescribeGroupsResponse.DescribedGroup
            {
                GroupId = groupId,
                GroupState = "Dead",
                ErrorCode = version >= SaysGroupNotFound ? KafkaErrorCode.GroupIdNotFound : KafkaErrorCode.None,
                ErrorMessage = version >= SaysGroupNotFound ? $"Group {groupId} not found." : null,
            };
        }

        bool isStable = group.State == ClassicGroupState.Stable;
        return new DescribeGroupsResponse.DescribedGroup
        {
            GroupId = groupId,
            GroupState = group.StateName,
            ProtocolType = group.ProtocolType,
            ProtocolData = isStable ? group.ProtocolName ?? "" : "",
            Members = [.. group.Members.Select(member => new DescribeGroupsResponse.DescribedGroupMember
            {
                MemberId = member.Id,
                GroupInstanceId = member.InstanceId,
                ClientId = member.ClientId,
                ClientHost = member.ClientHost,
                MemberMetadata = isStable ? member.Metadata(group.ProtocolName) : default,
                MemberAssignment = isStable ? member.Assignment : default,
            })],
        };
    }
}
