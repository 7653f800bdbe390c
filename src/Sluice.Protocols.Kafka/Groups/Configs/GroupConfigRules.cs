using System.Collections.Frozen;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Configs;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>Configurations of groups.</summary>
internal sealed class GroupConfigRules : NamedConfigRules
{
    public const sbyte Type = 32;

    public override sbyte ResourceType => Type;

    public override sbyte Source => 8;

    public override string Noun => "group";

    public override FrozenDictionary<string, TopicConfigKey> Keys => GroupConfigKey.All;

    public override string NameIsEmpty => "Group name must not be empty";

    public override KafkaErrorCode Authorize(KafkaRequest request, AclOperation operation, string name) =>
        request.AllowsGroup(operation, name) ? KafkaErrorCode.None : KafkaErrorCode.GroupAuthorizationFailed;

    public override (KafkaErrorCode Error, string? Message) Check(Dictionary<string, string> config) =>
        GroupConfigKey.Problem(config) is { } problem ? (KafkaErrorCode.InvalidConfig, problem) : (KafkaErrorCode.None, null);
}
