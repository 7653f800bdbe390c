using System.Collections.Frozen;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Handlers;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Configs;

/// <summary>What sets one kind of configurations apart from the others, as Kafka's clients see it.</summary>
internal abstract class NamedConfigRules
{
    /// <summary>Kafka's code of the kind.</summary>
    public abstract sbyte ResourceType { get; }

    /// <summary>Kafka's code of where a value comes from that was set.</summary>
    public abstract sbyte Source { get; }

    /// <summary>What one of them is the configuration of, for the log.</summary>
    public abstract string Noun { get; }

    /// <summary>Every key, by name.</summary>
    public abstract FrozenDictionary<string, TopicConfigKey> Keys { get; }

    /// <summary>What who gives no name is told.</summary>
    public abstract string NameIsEmpty { get; }

    /// <summary>Whether the synonyms of a value have the default.</summary>
    public virtual bool TellsDefaults => true;

    /// <summary>What refuses the operation to the client; None: nothing.</summary>
    public abstract KafkaErrorCode Authorize(KafkaRequest request, AclOperation operation, string name);

    /// <summary>That a configuration is set, for the log.</summary>
    public string Words(string name, IReadOnlyDictionary<string, string> config) => $"configured {Noun} '{name}': {ConfigsHandler.Words(config)}";

    /// <summary>Brings a configuration into the form in which it is kept, or says what is wrong with it.</summary>
    public abstract (KafkaErrorCode Error, string? Message) Check(Dictionary<string, string> config);
}
