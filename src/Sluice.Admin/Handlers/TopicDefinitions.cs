using System.Text.Json;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Topics;

namespace Sluice.Admin.Handlers;

/// <summary>Topics in definitions: name, partitions, and what was set of their configuration. Those that were declared as queues are among the queues.</summary>
internal static class TopicDefinitions
{
    /// <summary>The member of the file.</summary>
    public const string Section = "topics";

    /// <summary>The topics that were made as such; the broker's own with them.</summary>
    public static IEnumerable<Topic> Of(VirtualHost host) => host.ListTopics().Where(static topic => !topic.Definition.IsQueue);

    public static IEnumerable<TopicDefinitionModel> Export(VirtualHost host, string? name) => Of(host).Where(static topic => !topic.Definition.IsInternal)
        .Select(topic => new TopicDefinitionModel(
            name, topic.Name, topic.Partitions.Count, topic.Definition.Config.OrderBy(static setting => setting.Key, StringComparer.Ordinal).ToDictionary(), topic.Definition.HasGrown ? true : null));

    /// <summary>Makes the topic. One that is there stays as it is; a queue of its name is in the way.</summary>
    public static async Task ImportAsync(VirtualHost host, JsonBody topic)
    {
        topic.AllowOnly("vhost", "name", "partitions", "config", "grown");
        string name = topic.Text("name");
        if (host.FindTopic(name) is { } existing)
        {
            if (existing.Definition.IsQueue)
            {
                throw AdminException.BadRequest("there is a queue of this name");
            }

            return;
        }

        TopicDefinition definition = new(name, Guid.NewGuid(), Config(topic), HasGrown: topic.Flag("grown"));
        AdminException.ValueOf(await host.CreateTopicAsync(definition, topic.Number("partitions")).ConfigureAwait(false));
    }

    private static Dictionary<string, string> Config(JsonBody topic) => topic.Find("config") switch
    {
        null => new(StringComparer.Ordinal),
        { ValueKind: JsonValueKind.Object } config => config.EnumerateObject().DistinctBy(static setting => setting.Name, StringComparer.Ordinal).Count() == config.EnumerateObject().Count()
            ? config.EnumerateObject().ToDictionary(static setting => setting.Name, Value, StringComparer.Ordinal)
            : throw AdminException.BadRequest("'config' has a setting twice"),
        _ => throw AdminException.BadRequest("'config' must be an object"),
    };

    private static string Value(JsonProperty setting) => setting.Value.ValueKind switch
    {
        JsonValueKind.String => setting.Value.GetString()!,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => setting.Value.GetRawText(),
        _ => throw AdminException.BadRequest($"'{setting.Name}' must be a string"),
    };
}
