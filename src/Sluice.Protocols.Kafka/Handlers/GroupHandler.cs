using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>JoinGroup, SyncGroup, Heartbeat, LeaveGroup: membership by the classic protocol.</summary>
internal sealed class GroupHandler(GroupCoordinator groups)
{
    private const short NullProtocolName = 7, ManyLeave = 3;

    /// <summary>Who sent the request, as members are listed.</summary>
    public static GroupClient ClientOf(KafkaRequest request) => new(request.Header.ClientId ?? "", $"/{request.Connection.Client.RemoteEndPoint.Address}");

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, JoinGroupRequest body)
    {
        JoinGroupResponse response = request.AllowsGroup(AclOperation.Read, body.GroupId)
            ? await groups.JoinAsync(ClientOf(request), body, request.Version).ConfigureAwait(false)
            : new JoinGroupResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
        if (request.Version < NullProtocolName)
        {
            response.ProtocolName ??= "";
        }

        return response;
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, SyncGroupRequest body) => request.AllowsGroup(AclOperation.Read, body.GroupId)
        ? await groups.SyncAsync(body, request.Version).ConfigureAwait(false)
        : new SyncGroupResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, HeartbeatRequest body) => request.AllowsGroup(AclOperation.Read, body.GroupId)
        ? await groups.HeartbeatAsync(body).ConfigureAwait(false)
        : new HeartbeatResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, LeaveGroupRequest body)
    {
        if (!request.AllowsGroup(AclOperation.Read, body.GroupId))
        {
            return new LeaveGroupResponse { ErrorCode = KafkaErrorCode.GroupAuthorizationFailed };
        }

        if (request.Version >= ManyLeave)
        {
            return await groups.LeaveAsync(body.GroupId, body.Members).ConfigureAwait(false);
        }

        LeaveGroupResponse response = await groups.LeaveAsync(body.GroupId, [new LeaveGroupRequest.MemberIdentity { MemberId = body.MemberId }]).ConfigureAwait(false);
        return new LeaveGroupResponse { ErrorCode = response.ErrorCode != KafkaErrorCode.None ? response.ErrorCode : response.Members[0].ErrorCode };
    }
}
