using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Queues;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>Setting and deleting policies of a virtual host, and putting them into force.</summary>
internal sealed class HostPolicies(VirtualHost host, HostNames names, SettingsInForce settings)
{
    /// <summary>Puts the policy into force in the place of one of its name; one that is so already stays. Complete when it is kept, whoever has set it.</summary>
    public async ValueTask<BrokerResult<PolicyChange>> SetAsync(PolicyDefinition policy)
    {
        BrokerResult valid = Policies.Check(policy);
        if (!valid.IsOk)
        {
            return valid;
        }

        ValueTask kept;
        PolicyDefinition? before;
        lock (names.Control)
        {
            if (names.IsDeleted)
            {
                return names.NoHost();
            }

            before = settings.Policies.Policies.FirstOrDefault(other => other.IsOperator == policy.IsOperator && other.Name == policy.Name);
            if (policy.Equals(before))
            {
                kept = names.WhenKept();
            }
            else
            {
                kept = names.Commit([new MetadataOperation(MetadataKeys.Policy(host.Name, policy.Name, policy.IsOperator), DefinitionCodec.Encode(policy))]);
                settings.Policies = settings.Policies.With(policy);
                Apply();
            }
        }

        await kept.ConfigureAwait(false);
        return new PolicyChange(before, policy);
    }

    public async ValueTask<BrokerResult> DeleteAsync(string name, bool isOperator)
    {
        ValueTask kept;
        lock (names.Control)
        {
            PolicySet without = settings.Policies.Without(name, isOperator);
            if (ReferenceEquals(without, settings.Policies))
            {
                return new BrokerResult(BrokerStatus.NotFound, $"no policy '{name}' in vhost '{host.Name}'");
            }

            kept = names.Commit([new MetadataOperation(MetadataKeys.Policy(host.Name, name, isOperator), null)]);
            settings.Policies = without;
            Apply();
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Restores what the metadata store holds. Before exchanges and queues, which take their settings from it.</summary>
    public void Load()
    {
        foreach (MetadataEntry entry in host.Store.Metadata.Range(MetadataKeys.Policies(host.Name)))
        {
            settings.Policies = settings.Policies.With(DefinitionCodec.DecodePolicy(entry.Value));
        }
    }

    private void Apply()
    {
        foreach (StoredQueue queue in names.Queues.Values)
        {
            QueueSettings inForce = settings.For(queue.Definition);
            if (inForce != queue.Settings)
            {
                queue.ApplySettings(inForce);
            }
        }

        foreach (Exchange exchange in names.Exchanges.Values)
        {
            exchange.ApplyPolicy(settings.Policies.ForExchange(exchange.Name));
        }

        names.RoutingChanged();
    }
}
