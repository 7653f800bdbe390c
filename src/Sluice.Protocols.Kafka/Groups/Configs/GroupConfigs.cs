using Sluice.Protocols.Kafka.Configs;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>The configurations that groups were given. Thread-safe.</summary>
internal sealed class GroupConfigs(IMetadataStore metadata) : NamedConfigs<GroupSettings>(metadata, "kafka/groups/", static config => new GroupSettings(new ConsumerSettings(config), new ShareSettings(config)))
{
    public ConsumerSettings ConsumersOf(string groupId) => Of(groupId).Consumers;

    public ShareSettings SharesOf(string groupId) => Of(groupId).Shares;
}
