using Sluice.Base.Changes;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>Declaring and deleting exchanges of a virtual host.</summary>
internal sealed class HostExchanges(VirtualHost host, HostNames names, HostBindings bindings, SettingsInForce settings, DelayedDelivery delays)
{
    /// <summary>See <see cref="VirtualHost.DeclareExchangeAsync"/>.</summary>
    public async ValueTask<BrokerResult<PutOutcome>> DeclareAsync(ExchangeDefinition definition)
    {
        if (definition.Type == ExchangeTypes.Delayed && delays.Store is null)
        {
            await delays.CreateAsync().ConfigureAwait(false);
        }

        Task kept = Task.CompletedTask;
        PutOutcome outcome = PutOutcome.Created;
        lock (names.Control)
        {
            if (names.IsDeleted)
            {
                return names.NoHost();
            }

            if (names.Exchanges.TryGetValue(definition.Name, out Exchange? existing))
            {
                BrokerResult same = Equivalence.Check(existing.Definition, definition, host.Name);
                if (!same.IsOk)
                {
                    return same;
                }

                outcome = PutOutcome.Unchanged;
                kept = definition.Durable ? names.WhenKept().AsTask() : Task.CompletedTask;
            }
            else if (Create(definition, out kept) is { IsOk: false } refused)
            {
                return refused;
            }
        }

        await kept.ConfigureAwait(false);
        return outcome;
    }

    /// <summary>See <see cref="VirtualHost.DeleteExchangeAsync"/>.</summary>
    public async ValueTask<BrokerResult> DeleteAsync(string name, bool ifUnused)
    {
        var operations = new List<MetadataOperation>();
        ValueTask kept;
        lock (names.Control)
        {
            if (!names.Exchanges.TryGetValue(name, out Exchange? exchange))
            {
                kept = names.WhenKept();
            }
            else if (ExchangeTypes.IsReserved(name))
            {
                return new BrokerResult(BrokerStatus.Forbidden, name.Length == 0 ? "operation not permitted on the default exchange" : ReservedText(name));
            }
            else if (ifUnused && exchange.Router.Count > 0)
            {
                return new BrokerResult(BrokerStatus.InUse, $"exchange '{name}' in vhost '{host.Name}' in use");
            }
            else
            {
                bindings.RemoveExchange(exchange, operations);
                kept = names.Commit(operations);
            }
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Adds those that every virtual host has.</summary>
    public void AddPredeclared()
    {
        foreach (ExchangeDefinition predeclared in ExchangeTypes.Predeclared)
        {
            names.Exchanges[predeclared.Name] = ExchangeTypes.Create(predeclared);
        }
    }

    /// <summary>Restores what the metadata store holds.</summary>
    public void Load()
    {
        foreach (MetadataEntry entry in host.Store.Metadata.Range(MetadataKeys.Exchanges(host.Name)))
        {
            Add(DefinitionCodec.DecodeExchange(entry.Value));
        }
    }

    private static string ReservedText(string name) => $"exchange name '{name}' contains reserved prefix 'amq.*'";

    /// <summary>Creates an exchange of a name that none has. Control lock held; <paramref name="kept"/> is awaited off it.</summary>
    private BrokerResult Create(ExchangeDefinition definition, out Task kept)
    {
        kept = Task.CompletedTask;
        if (definition.Name.StartsWith(VirtualHost.ReservedPrefix, StringComparison.Ordinal))
        {
            return new BrokerResult(BrokerStatus.Forbidden, ReservedText(definition.Name));
        }

        BrokerResult valid = ExchangeTypes.Check(definition, host.Name);
        if (!valid.IsOk)
        {
            return valid;
        }

        if (definition.Durable)
        {
            kept = names.Commit([new MetadataOperation(MetadataKeys.Exchange(host.Name, definition.Name), DefinitionCodec.Encode(definition))]).AsTask();
        }

        Add(definition);
        return BrokerResult.Ok;
    }

    private void Add(ExchangeDefinition definition)
    {
        Exchange exchange = ExchangeTypes.Create(definition);
        exchange.ApplyPolicy(settings.Policies.ForExchange(definition.Name));
        names.Exchanges[definition.Name] = exchange;
        names.RoutingChanged();
    }
}
