using Sluice.Base.Changes;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Queues;
using Sluice.Storage.Metadata;

namespace Sluice.Broker.Hosts;

/// <summary>
/// The bindings of a virtual host, and what goes with them: with a queue or exchange go its bindings, with its last binding goes an exchange that is auto-delete.
/// </summary>
internal sealed class HostBindings(VirtualHost host, HostNames names)
{
    // Exchanges that have a binding to the destination.
    private readonly Dictionary<IDestination, HashSet<Exchange>> _sources = [];

    /// <summary>See <see cref="VirtualHost.BindAsync"/>.</summary>
    public async ValueTask<BrokerResult<PutOutcome>> BindAsync(BindingDefinition definition, object? owner)
    {
        ValueTask kept = default;
        PutOutcome outcome = PutOutcome.Created;
        lock (names.Control)
        {
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(definition, owner);
            if (!ends.IsOk)
            {
                return new BrokerResult(ends.Status, ends.Detail);
            }

            (Exchange from, IDestination to) = ends.Value;
            BrokerResult valid = ExchangeTypes.CheckBinding(from.Definition, definition.RoutingKey, definition.Arguments);
            if (!valid.IsOk)
            {
                return valid;
            }

            bool isKept = from.Definition.Durable && IsKept(to);
            if (!Add(definition, from, to))
            {
                outcome = PutOutcome.Unchanged;
                kept = isKept ? names.WhenKept() : default;
            }
            else
            {
                names.RoutingChanged();
                kept = isKept ? names.Commit([new MetadataOperation(KeyOf(definition), DefinitionCodec.Encode(definition))]) : default;
            }
        }

        await kept.ConfigureAwait(false);
        return outcome;
    }

    /// <summary>See <see cref="VirtualHost.UnbindAsync"/>.</summary>
    public async ValueTask<BrokerResult> UnbindAsync(BindingDefinition definition, object? owner)
    {
        var operations = new List<MetadataOperation>();
        ValueTask kept;
        lock (names.Control)
        {
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(definition, owner);
            if (!ends.IsOk)
            {
                return ends.Status == BrokerStatus.NotFound ? BrokerResult.Ok : new BrokerResult(ends.Status, ends.Detail);
            }

            (Exchange from, IDestination to) = ends.Value;
            if (!from.Router.Remove(new Binding(to, definition.RoutingKey, definition.Arguments)))
            {
                kept = from.Definition.Durable && IsKept(to) ? names.WhenKept() : default;
            }
            else
            {
                operations.Add(new MetadataOperation(KeyOf(definition), null));
                DeleteIfUnused(from, operations);
                names.RoutingChanged();
                kept = names.Commit(operations);
            }
        }

        await kept.ConfigureAwait(false);
        return BrokerResult.Ok;
    }

    /// <summary>Restores what the metadata store holds. After exchanges and queues.</summary>
    public void Load()
    {
        foreach (MetadataEntry entry in host.Store.Metadata.Range(MetadataKeys.Bindings(host.Name)))
        {
            BindingDefinition definition = DefinitionCodec.DecodeBinding(entry.Value);
            BrokerResult<(Exchange Source, IDestination Destination)> ends = FindEnds(definition, owner: null);
            if (ends.IsOk)
            {
                Add(definition, ends.Value.Source, ends.Value.Destination);
            }
        }
    }

    /// <summary>Takes an exchange out of the names, with its bindings. Control lock held; what is to be committed is added to the operations.</summary>
    public void RemoveExchange(Exchange exchange, List<MetadataOperation> operations)
    {
        string name = exchange.Definition.Name;
        names.Exchanges.TryRemove(name, out _);
        if (exchange.Definition.Durable)
        {
            operations.Add(new MetadataOperation(MetadataKeys.Exchange(host.Name, name), null));
        }

        foreach (Binding binding in exchange.Router.Bindings)
        {
            AddUnbind(exchange, binding, operations);
            ForgetSource(binding.Destination, exchange);
        }

        RemoveDestination(exchange, operations);
        names.RoutingChanged();
    }

    /// <summary>Removes the bindings that lead to a queue or exchange. Control lock held; what is to be committed is added to the operations.</summary>
    public void RemoveDestination(IDestination destination, List<MetadataOperation> operations)
    {
        if (!_sources.Remove(destination, out HashSet<Exchange>? sources))
        {
            return;
        }

        foreach (Exchange source in sources)
        {
            foreach (Binding binding in source.Router.RemoveDestination(destination))
            {
                AddUnbind(source, binding, operations);
            }

            DeleteIfUnused(source, operations);
        }
    }

    /// <summary>The virtual host goes. Control lock held.</summary>
    public void Clear() => _sources.Clear();

    private static bool IsKept(IDestination destination) => destination switch
    {
        StoredQueue queue => queue.IsDurable,
        TopicQueue => true,
        Exchange exchange => exchange.Definition.Durable,
        _ => false,
    };

    private string KeyOf(BindingDefinition binding) =>
        MetadataKeys.Binding(host.Name, binding.Source, binding.Kind, binding.Destination, binding.RoutingKey, binding.Arguments);

    /// <summary>False if it is there already.</summary>
    private bool Add(BindingDefinition definition, Exchange from, IDestination to)
    {
        if (!from.Router.Add(new Binding(to, definition.RoutingKey, definition.Arguments)))
        {
            return false;
        }

        if (!_sources.TryGetValue(to, out HashSet<Exchange>? sources))
        {
            _sources[to] = sources = [];
        }

        sources.Add(from);
        return true;
    }

    private void AddUnbind(Exchange source, Binding binding, List<MetadataOperation> operations)
    {
        if (source.Definition.Durable && IsKept(binding.Destination))
        {
            DestinationKind kind = binding.Destination is Exchange ? DestinationKind.Exchange : DestinationKind.Queue;
            operations.Add(new MetadataOperation(MetadataKeys.Binding(host.Name, source.Definition.Name, kind, binding.Destination.Name, binding.RoutingKey, binding.Arguments), null));
        }
    }

    private void DeleteIfUnused(Exchange exchange, List<MetadataOperation> operations)
    {
        if (exchange.Definition.AutoDelete && exchange.Router.Count == 0 && names.Exchanges.ContainsKey(exchange.Definition.Name))
        {
            RemoveExchange(exchange, operations);
        }
    }

    private void ForgetSource(IDestination destination, Exchange source)
    {
        if (_sources.TryGetValue(destination, out HashSet<Exchange>? sources) && sources.Remove(source) && sources.Count == 0)
        {
            _sources.Remove(destination);
        }
    }

    private BrokerResult<(Exchange Source, IDestination Destination)> FindEnds(BindingDefinition binding, object? owner)
    {
        if (binding.Source.Length == 0 || (binding.Kind == DestinationKind.Exchange && binding.Destination.Length == 0))
        {
            return new BrokerResult(BrokerStatus.Forbidden, "operation not permitted on the default exchange");
        }

        IDestination? to = null;
        if (binding.Kind == DestinationKind.Queue)
        {
            BrokerResult<MessageQueue> queue = host.FindQueue(binding.Destination, owner);
            if (!queue.IsOk)
            {
                return new BrokerResult(queue.Status, queue.Detail);
            }

            to = HostNames.TargetOf(queue.Value!);
            if (to is null)
            {
                return new BrokerResult(BrokerStatus.Forbidden, $"topic '{binding.Destination}' in vhost '{host.Name}' is the broker's own and takes no messages of exchanges");
            }
        }

        if (!names.Exchanges.TryGetValue(binding.Source, out Exchange? from))
        {
            return names.NoExchange(binding.Source);
        }

        if (binding.Kind == DestinationKind.Exchange)
        {
            if (!names.Exchanges.TryGetValue(binding.Destination, out Exchange? exchange))
            {
                return names.NoExchange(binding.Destination);
            }

            to = exchange;
        }

        return (from, to!);
    }
}
