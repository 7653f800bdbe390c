using Sluice.Broker.Definitions;

namespace Sluice.Broker.Hosts;

/// <summary>A virtual host's policies, and the settings that they and a queue's arguments make together. Guarded by the host's lock.</summary>
internal sealed class SettingsInForce
{
    private const int SharedMax = 10_000;
    private readonly HashSet<QueueSettings> _shared = [];

    public PolicySet Policies { get; set; } = PolicySet.Empty;

    /// <summary>Settings in force for a queue. Equal ones are one object: a hundred thousand queues mostly have the same.</summary>
    public QueueSettings For(QueueDefinition definition)
    {
        QueueKind kind = QueueArguments.KindOf(definition.Arguments);
        QueueSettings settings = QueueArguments.Resolve(definition, Policies.ForQueue(definition.Name, kind), Policies.OperatorPolicyForQueue(definition.Name, kind));
        if (_shared.TryGetValue(settings, out QueueSettings? shared))
        {
            return shared;
        }

        if (_shared.Count < SharedMax)
        {
            _shared.Add(settings);
        }

        return settings;
    }
}
