using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeAcls, CreateAcls, DeleteAcls (KIP-140, KIP-290).</summary>
internal sealed class AclHandler(KafkaServer server)
{
    public DescribeAclsResponse Handle(KafkaRequest request, DescribeAclsRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Describe))
        {
            return new DescribeAclsResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed, ErrorMessage = null };
        }

        var filter = new AclFilter(
            (AclResourceType)body.ResourceTypeFilter, body.ResourceNameFilter, (AclPatternType)body.PatternTypeFilter, body.PrincipalFilter, body.HostFilter, (AclOperation)body.Operation, (AclPermission)body.PermissionType);
        if (filter.Problem is { } problem)
        {
            return new DescribeAclsResponse { ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = problem };
        }

        return new DescribeAclsResponse
        {
            ErrorMessage = null,
            Resources = [.. server.Acls.Table.All.Where(filter.Matches).GroupBy(static acl => (acl.Type, acl.Pattern, acl.Name)).Select(static resource => new DescribeAclsResponse.DescribeAclsResource
            {
                ResourceType = (sbyte)resource.Key.Type,
                ResourceName = resource.Key.Name,
                PatternType = (sbyte)resource.Key.Pattern,
                Acls = [.. resource.Select(static acl => new DescribeAclsResponse.AclDescription { Principal = acl.Principal, Host = acl.Host, Operation = (sbyte)acl.Operation, PermissionType = (sbyte)acl.Permission })],
            })],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, CreateAclsRequest body)
    {
        Acl[] wanted = [.. body.Creations.Select(static creation => new Acl(
            (AclResourceType)creation.ResourceType, (AclPatternType)creation.ResourcePatternType, creation.ResourceName, creation.Principal, creation.Host, (AclOperation)creation.Operation, (AclPermission)creation.PermissionType))];
        bool isAllowed = request.ManagesUsers;
        string?[] problems = [.. wanted.Select(AclRules.Problem)];
        if (isAllowed && await server.Acls.AddAsync([.. wanted.Where((_, index) => problems[index] is null)], request.UserName).ConfigureAwait(false) is null)
        {
            problems = [.. problems.Select(static problem => problem ?? AclRules.TooMany)];
        }

        return new CreateAclsResponse
        {
            Results = [.. problems.Select(problem => new CreateAclsResponse.AclCreationResult
            {
                ErrorCode = !isAllowed ? KafkaErrorCode.ClusterAuthorizationFailed : problem is null ? KafkaErrorCode.None : KafkaErrorCode.InvalidRequest,
                ErrorMessage = isAllowed ? problem : null,
            })],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, DeleteAclsRequest body)
    {
        if (!request.ManagesUsers)
        {
            return new DeleteAclsResponse { FilterResults = [.. body.Filters.Select(static _ => new DeleteAclsResponse.DeleteAclsFilterResult { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed, ErrorMessage = null })] };
        }

        AclFilter[] filters = [.. body.Filters.Select(static filter => new AclFilter(
            (AclResourceType)filter.ResourceTypeFilter, filter.ResourceNameFilter, (AclPatternType)filter.PatternTypeFilter, filter.PrincipalFilter, filter.HostFilter, (AclOperation)filter.Operation, (AclPermission)filter.PermissionType))];
        var removed = new Queue<IReadOnlyList<Acl>>(await server.Acls.RemoveAsync([.. filters.Where(static filter => filter.Problem is null)], request.UserName).ConfigureAwait(false));
        return new DeleteAclsResponse
        {
            FilterResults = [.. filters.Select(filter => filter.Problem is { } problem
                ? new DeleteAclsResponse.DeleteAclsFilterResult { ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = problem }
                : new DeleteAclsResponse.DeleteAclsFilterResult { ErrorMessage = null, MatchingAcls = [.. removed.Dequeue().Select(Describe)] })],
        };
    }

    private static DeleteAclsResponse.DeleteAclsMatchingAcl Describe(Acl acl) => new()
    {
        ErrorMessage = null,
        ResourceType = (sbyte)acl.Type,
        ResourceName = acl.Name,
        PatternType = (sbyte)acl.Pattern,
        Principal = acl.Principal,
        Host = acl.Host,
        Operation = (sbyte)acl.Operation,
        PermissionType = (sbyte)acl.Permission,
    };
}
