using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>Configurations that are kept by name, as DescribeConfigs, AlterConfigs and ListConfigResources come to them.</summary>
internal sealed class NamedConfigsHandler<T>(NamedConfigs<T> configs, NamedConfigRules rules, int countMax = int.MaxValue)
    where T : class
{
    public IEnumerable<ListConfigResourcesResponse.ConfigResource> List() =>
        configs.Names.Order(StringComparer.Ordinal).Select(name => new ListConfigResourcesResponse.ConfigResource { ResourceName = name, ResourceType = rules.ResourceType });

    public void Describe(KafkaRequest request, DescribeConfigsRequest.DescribeConfigsResource resource, bool withSynonyms, DescribeConfigsResponse.DescribeConfigsResult result)
    {
        (result.ErrorCode, result.ErrorMessage) = Refuse(request, AclOperation.DescribeConfigs, resource.ResourceName);
        if (result.ErrorCode == KafkaErrorCode.None)
        {
            IReadOnlyDictionary<string, string> set = configs.Find(resource.ResourceName);
            result.Configs = [.. rules.Keys.Values.OrderBy(static key => key.Name, StringComparer.Ordinal)
                .Where(key => resource.ConfigurationKeys is null or [] || resource.ConfigurationKeys.Contains(key.Name, StringComparer.Ordinal))
                .Select(key => ConfigsHandler.Describe(key, set, rules.Source, withSynonyms, rules.TellsDefaults))];
        }
    }

    public async ValueTask<(KafkaErrorCode Error, string? Message)> AlterAsync(KafkaRequest request, string name, bool validateOnly, Func<IReadOnlyDictionary<string, string>, Dictionary<string, string>> change)
    {
        (KafkaErrorCode Error, string? Message) outcome = Refuse(request, AclOperation.AlterConfigs, name);
        if (outcome.Error != KafkaErrorCode.None)
        {
            return outcome;
        }

        while (true)
        {
            (IReadOnlyDictionary<string, string> before, long revision) = configs.Read(name);
            Dictionary<string, string> config;
            try
            {
                config = change(before);
            }
            catch (InvalidDataException error)
            {
                return (KafkaErrorCode.InvalidConfig, error.Message);
            }

            outcome = rules.Check(config);
            if (outcome.Error == KafkaErrorCode.None && before.Count == 0 && config.Count > 0 && configs.Count >= countMax)
            {
                return (KafkaErrorCode.PolicyViolation, $"There are {countMax} already, the most that may be.");
            }

            // What somebody else has changed meanwhile stays: the change is made again, to that.
            if (outcome.Error != KafkaErrorCode.None || validateOnly)
            {
                return outcome;
            }

            if (await configs.SetAsync(name, config, revision).ConfigureAwait(false))
            {
                if (!NamedConfigs<T>.AreSame(before, config))
                {
                    request.LogBrokerChange(rules.Words(name, config));
                }

                return outcome;
            }
        }
    }

    private (KafkaErrorCode Error, string? Message) Refuse(KafkaRequest request, AclOperation operation, string name) =>
        rules.Authorize(request, operation, name) is not KafkaErrorCode.None and var refusal ? (refusal, null)
        : name.Length == 0 ? (KafkaErrorCode.InvalidRequest, rules.NameIsEmpty)
        : (KafkaErrorCode.None, null);
}
