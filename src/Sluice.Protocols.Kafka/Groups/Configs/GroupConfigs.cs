using Sluice.Protocols.Kafka.Configs;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>The configurations that groups were given. Thread-safe.</summary>
internal sealed class GroupConfigs(IMetadataStore metadata) : NamedConfigs<ShareSettings>(metadata, "kafka/groups/", static config => new ShareSettings(config))
{
    public ShareSettings SharesOf(string groupId) => Of(groupId);
}
