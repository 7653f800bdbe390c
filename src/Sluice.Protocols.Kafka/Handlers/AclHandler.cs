using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeAcls, CreateAcls, DeleteAcls (KIP-140, KIP-290).</summary>
internal sealed class AclHandler(KafkaServer server)
{
    /// <summary>Bytes that a name in an entry may have; Kafka's names are much shorter.</summary>
    private const int NameCharsMax = 1024;

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
        string?[] problems = [.. wanted.Select(Problem)];
        if (isAllowed && !await server.Acls.AddAsync([.. wanted.Where((_, index) => problems[index] is null)]).ConfigureAwait(false))
        {
            problems = [.. problems.Select(static problem => problem ?? $"There would be more than {AclStore.EntriesMax} entries.")];
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
        var removed = new Queue<IReadOnlyList<Acl>>(await server.Acls.RemoveAsync([.. filters.Where(static filter => filter.Problem is null)]).ConfigureAwait(false));
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

    private static string? Problem(Acl acl) =>
        acl.Type is AclResourceType.DelegationToken or AclResourceType.User ? $"Entries for resource type {acl.Type} are not served: there are no delegation tokens here."
        : acl.Type is < AclResourceType.Topic or > AclResourceType.User ? $"Invalid resourceType {acl.Type}"
        : acl.Pattern is not (AclPatternType.Literal or AclPatternType.Prefixed) ? $"Invalid patternType {acl.Pattern}"
        : acl.Operation is < AclOperation.All or > AclOperation.TwoPhaseCommit ? $"Invalid operation {acl.Operation}"
        : acl.Permission is not (AclPermission.Allow or AclPermission.Deny) ? $"Invalid permissionType {acl.Permission}"
        : acl.Name.Length == 0 ? "Invalid empty resource name"
        : acl.Type == AclResourceType.Cluster && acl.Name != ClientAccess.ClusterName ? $"The only valid name for the CLUSTER resource is {ClientAccess.ClusterName}"
        : !acl.Principal.StartsWith(Acl.UserPrefix, StringComparison.Ordinal) || acl.Principal.Length == Acl.UserPrefix.Length ? $"The principal '{acl.Principal}' is not of the form User:NAME, which is the only one here"
        : acl.Host.Length == 0 ? "Invalid empty host"
        : acl.Name.Length > NameCharsMax || acl.Principal.Length > NameCharsMax || acl.Host.Length > NameCharsMax ? $"A name, principal or host has more than {NameCharsMax} characters"
        : null;
}
