using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>The topics of the virtual host that Kafka clients see, but for the broker's own.</summary>
internal sealed class HostGroupTopics(Func<VirtualHost?> host) : IGroupTopics
{
    public IEnumerable<GroupTopic> All => host()?.ListTopics().Where(static topic => !topic.Definition.IsInternal).Select(static topic => Of(topic)) ?? [];

    public GroupTopic? Find(string name) => host()?.FindTopic(name) is { } topic ? Of(topic) : null;

    public GroupTopic? Find(Guid id) => host()?.FindTopic(id) is { } topic ? Of(topic) : null;

    private static GroupTopic Of(Topic topic) => new(topic.Name, topic.Id, topic.Partitions.Count);
}
