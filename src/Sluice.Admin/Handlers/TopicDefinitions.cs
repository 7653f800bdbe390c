using System.Text.Json;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Base.Changes;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Security;

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

    /// <summary>Makes the topic. One that is there stays as it is, which is told if it is other than in the file; a queue of its name is in the way.</summary>
    public static async Task<PutOutcome> ImportAsync(AdminRequest request, VirtualHost host, JsonBody topic)
    {
        topic.AllowOnly("vhost", "name", "partitions", "config", "grown");
        string name = topic.Text("name");
        Dictionary<string, string> config = Config(topic);
        int partitions = topic.Number("partitions");
        if (host.FindTopic(name) is { } existing)
        {
            if (existing.Definition.IsQueue)
            {
                throw AdminException.BadRequest("there is a queue of this name");
            }

            if (Differences(existing, partitions, config) is { Length: > 0 } differences)
            {
                request.Remark($"The topic '{name}' in virtual host '{host.Name}' is there already and stays as it is, other than in the file: {differences}.");
            }

            return PutOutcome.Unchanged;
        }

        TopicDefinition definition = new(name, Guid.NewGuid(), config, HasGrown: topic.Flag("grown"));
        AdminException.ValueOf(await host.CreateTopicAsync(definition, partitions).ConfigureAwait(false));
        request.LogChange($"created topic '{name}' with {partitions} partition{(partitions == 1 ? "" : "s")}{(config.Count == 0 ? "" : $" and {Settings(config)}")} in virtual host '{host.Name}'");
        return PutOutcome.Created;
    }

    private static string Differences(Topic existing, int partitions, Dictionary<string, string> config) => string.Join("; ", new[]
    {
        existing.Partitions.Count == partitions ? "" : $"it has {existing.Partitions.Count} partition{(existing.Partitions.Count == 1 ? "" : "s")} and not {partitions}",
        existing.Definition.Config.Count == config.Count && config.All(existing.Definition.Config.Contains) ? "" : $"of its configuration is set: {Settings(existing.Definition.Config)}",
    }.Where(static text => text.Length > 0));

    private static string Settings(IReadOnlyDictionary<string, string> config) => ChangeWords.Settings(config, none: "nothing");

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
