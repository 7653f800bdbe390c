using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>The configurations of groups, as DescribeConfigs and AlterConfigs come to them.</summary>
internal sealed class GroupConfigsHandler(GroupConfigs configs)
{
    private const sbyte FromGroup = 8;

    public void Describe(KafkaRequest request, DescribeConfigsRequest.DescribeConfigsResource resource, bool withSynonyms, DescribeConfigsResponse.DescribeConfigsResult result)
    {
        if (resource.ResourceName.Length == 0)
        {
            result.ErrorCode = KafkaErrorCode.InvalidRequest;
            result.ErrorMessage = "Group name must not be empty";
        }
        else if (!request.AllowsGroup(AclOperation.DescribeConfigs, resource.ResourceName))
        {
            result.ErrorCode = KafkaErrorCode.GroupAuthorizationFailed;
        }
        else
        {
            IReadOnlyDictionary<string, string> set = configs.Find(resource.ResourceName);
            result.Configs = [.. GroupConfigKey.All.Values.OrderBy(static key => key.Name, StringComparer.Ordinal)
                .Where(key => resource.ConfigurationKeys is null or [] || resource.ConfigurationKeys.Contains(key.Name, StringComparer.Ordinal))
                .Select(key => ConfigsHandler.Describe(key, set, FromGroup, withSynonyms))];
        }
    }

    public async ValueTask<(KafkaErrorCode Error, string? Message)> AlterAsync(KafkaRequest request, string groupId, bool validateOnly, Func<IReadOnlyDictionary<string, string>, Dictionary<string, string>> change)
    {
        if (groupId.Length == 0)
        {
            return (KafkaErrorCode.InvalidRequest, "Group name must not be empty");
        }

        if (!request.AllowsGroup(AclOperation.AlterConfigs, groupId))
        {
            return (KafkaErrorCode.GroupAuthorizationFailed, null);
        }

        Dictionary<string, string> config;
        try
        {
            config = change(configs.Find(groupId));
        }
        catch (InvalidDataException error)
        {
            return (KafkaErrorCode.InvalidConfig, error.Message);
        }

        if (GroupConfigKey.Problem(config) is { } problem)
        {
            return (KafkaErrorCode.InvalidConfig, problem);
        }

        if (!validateOnly)
        {
            await configs.SetAsync(groupId, config).ConfigureAwait(false);
        }

        return (KafkaErrorCode.None, null);
    }
}
