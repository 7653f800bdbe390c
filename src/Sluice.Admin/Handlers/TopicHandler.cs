using System.Buffers.Text;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Storage;

namespace Sluice.Admin.Handlers;

/// <summary>/api/topics: what Kafka clients know as topics, streams among them. RabbitMQ has no such thing. The broker's own are listed with internal=true only.</summary>
internal static class TopicHandler
{
    public static void Map(Routes routes)
    {
        routes.Get("api/topics", Role.Management, request => request.ReplyListAsync(request.VisibleVirtualHosts().SelectMany(host => Listed(request, host).Select(Model)), AdminJson.Default.TopicModel));
        routes.Get("api/topics/{vhost}", Role.Management, request => request.ReplyListAsync(Listed(request, request.VirtualHost()).Select(Model), AdminJson.Default.TopicModel));
        routes.Get("api/topics/{vhost}/{topic}", Role.Management, One);
    }

    /// <summary>Topics and partitions of a virtual host without the broker's own; streams count as topics of one partition.</summary>
    public static (int Topics, int Partitions) Totals(VirtualHost host)
    {
        Topic[] topics = [.. host.ListTopics().Where(static topic => !topic.Definition.IsInternal)];
        return (topics.Length, topics.Sum(static topic => topic.Partitions.Count));
    }

    public static IEnumerable<Topic> Listed(AdminRequest request, VirtualHost host) =>
        request.HasSwitch("internal") ? host.ListTopics() : host.ListTopics().Where(static topic => !topic.Definition.IsInternal);

    public static long Messages(Topic topic) => topic.Partitions.Sum(static partition => Math.Max(0, EndOf(partition) - partition.StartOffset));

    /// <summary>As far as Kafka's consumers may read, which is what they measure their lag by.</summary>
    private static long EndOf(TopicPartition partition) => partition.FindReadableEnd(out _).Offset;

    private static Task One(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        Topic topic = host.FindTopic(request["topic"]) ?? throw AdminException.NotFound($"no topic '{request["topic"]}' in vhost '{host.Name}'");
        return request.ReplyAsync(Model(topic) with { PartitionDetails = [.. topic.Partitions.Select(Model)] }, AdminJson.Default.TopicModel);
    }

    private static TopicModel Model(Topic topic) => new(
        topic.Name,
        topic.Host.Name,
        Base64Url.EncodeToString(topic.Id.ToByteArray(bigEndian: true)),
        !topic.Definition.IsQueue ? "topic" : topic.Partitions[0].IsQueue ? "queue" : "stream",
        topic.Definition.IsInternal,
        topic.Partitions.Count,
        Messages(topic),
        topic.Partitions.Sum(static partition => partition.Bytes),
        topic.Definition.Config.Where(static setting => TopicConfig.Keys.GetValueOrDefault(setting.Key)?.Default != setting.Value)
            .OrderBy(static setting => setting.Key, StringComparer.Ordinal).ToDictionary(static setting => setting.Key, static setting => setting.Value, StringComparer.Ordinal));

    private static PartitionModel Model(TopicPartition partition)
    {
        LogEnd end = partition.FindReadableEnd(out _);
        return new PartitionModel(partition.Index, partition.Failure is null ? "running" : "failed", partition.StartOffset, end.Offset, end.Stable, partition.Bytes);
    }
}
