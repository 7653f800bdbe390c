using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Client;
using Sluice.Commands.Client;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Commands.Verbs;

/// <summary>sluice topic list|show, of the management API; sluice topic create|alter|delete by Kafka's protocol, so that whoever gives them may do there what its own client may.</summary>
internal static class TopicVerbs
{
    private static readonly Argument<string> Name = new("name") { Description = "Name of the topic." };
    private static readonly Option<bool> Internal = new("--internal") { Description = "Also the broker's own topics." };

    private static readonly Option<int?> Partitions = new("--partitions") { Description = "How many partitions (as many as the broker makes by itself; it can be made more later, never less).", HelpName = "n" };
    private static readonly Option<int?> MorePartitions = new("--partitions") { Description = "How many partitions it is to have; more than it has.", HelpName = "n" };
    private static readonly Option<string[]> Config = KeyValues.Option("--config", "retention.ms=3600000", "Setting of the topic");
    private static readonly Option<string[]> DeleteConfig = new("--delete-config") { Description = "Setting that goes back to its default; repeatable.", HelpName = "key", DefaultValueFactory = _ => [] };

    public static Command Create() => new Command("topic", "List, create, alter and delete topics, as Kafka clients know them, and show one.").With(
        Listing.Verb(
            "List the topics and streams of a virtual host.",
            invocation => AdminClient.Path("topics", invocation.VirtualHost) + (invocation.Value(Internal) ? "?internal=true" : ""),
            new Column("name", "name"),
            new Column("type", "type"),
            new Column("partitions", "partitions"),
            new Column("messages", "messages"),
            new Column("bytes", "bytes"),
            new Column("internal", "internal"),
            new Column("config", "config")).With(Internal).WithVirtualHost(),
        Invocation.Verb("show", "Show the partitions of a topic.", ShowAsync).With(Name).WithVirtualHost().WithAdmin(),
        Invocation.Verb("create", "Make a topic, by Kafka's protocol.", CreateAsync).With(Name, Partitions, Config).WithKafka(),
        Invocation.Verb("alter", "Give a topic more partitions, or other settings, by Kafka's protocol.", AlterAsync).With(Name, MorePartitions, Config, DeleteConfig).WithKafka(),
        Invocation.Verb("delete", "Delete a topic and its records, by Kafka's protocol.", DeleteAsync).With(Name).WithKafka());

    private static async Task<int> ShowAsync(Invocation invocation)
    {
        JsonNode topic = await invocation.Admin.GetAsync(AdminClient.Path("topics", invocation.VirtualHost, invocation.Value(Name)), invocation.Cancel).ConfigureAwait(false);
        return Listing.Show(
            invocation,
            invocation.Json ? topic : topic["partition_details"]!,
            new Column("partition", "partition"),
            new Column("state", "state"),
            new Column("first offset", "start_offset"),
            new Column("end offset", "end_offset"),
            new Column("stable offset", "last_stable_offset"),
            new Column("bytes", "bytes"));
    }

    private static Task<int> CreateAsync(Invocation invocation) => AdministerAsync(invocation, async (admin, name) =>
    {
        Dictionary<string, string> config = KeyValues.ToText(invocation.Value(Config));
        int? partitions = await admin.CreateTopicAsync(name, invocation.Value(Partitions), config, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Topic '{name}' created{(partitions is { } count ? $", with {InWords(count)}" : "")}.", "created", true);
    });

    private static async Task<int> AlterAsync(Invocation invocation)
    {
        Dictionary<string, string?> changes = KeyValues.ToText(invocation.Value(Config)).ToDictionary(static setting => setting.Key, static setting => (string?)setting.Value, StringComparer.Ordinal);
        foreach (string key in invocation.Value(DeleteConfig))
        {
            if (!changes.TryAdd(key, null))
            {
                throw new CommandException($"'{key}' is given twice.");
            }
        }

        int? partitions = invocation.Value(MorePartitions);
        if (partitions is null && changes.Count == 0)
        {
            throw new CommandException($"Say what is to change: {MorePartitions.Name}, {Config.Name} or {DeleteConfig.Name}.");
        }

        string settings = string.Join(", ", changes.Select(static change => change.Value is null ? $"{change.Key} as by default" : $"{change.Key}={change.Value}"));
        return await AdministerAsync(invocation, async (admin, name) =>
        {
            // The settings first: a broker takes all of them or none, and they can be set back.
            if (changes.Count > 0)
            {
                await admin.ConfigureTopicAsync(name, changes, invocation.Cancel).ConfigureAwait(false);
            }

            if (partitions is { } count)
            {
                try
                {
                    await admin.AddPartitionsAsync(name, count, invocation.Cancel).ConfigureAwait(false);
                }
                catch (KafkaClientException error) when (changes.Count > 0)
                {
                    throw new KafkaClientException(error.ErrorCode, $"{error.Message.TrimEnd('.')}. The settings of the topic are changed: {settings}.", error);
                }
            }

            return invocation.Done($"Topic '{name}' altered: {(partitions is { } now ? $"{InWords(now)}{(changes.Count > 0 ? ", " : "")}" : "")}{settings}.", "altered", true);
        }).ConfigureAwait(false);
    }

    private static Task<int> DeleteAsync(Invocation invocation) => AdministerAsync(invocation, async (admin, name) =>
    {
        await admin.DeleteTopicAsync(name, invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Topic '{name}' deleted, with its records.", "deleted", name);
    });

    private static string InWords(int partitions) => partitions == 1 ? "1 partition" : $"{partitions:N0} partitions";

    private static Task<int> AdministerAsync(Invocation invocation, Func<KafkaAdmin, string, Task<int>> run)
    {
        string name = invocation.Value(Name);
        return invocation.AdministerKafkaAsync(
            async admin =>
            {
                try
                {
                    return await run(admin, name).ConfigureAwait(false);
                }
                catch (KafkaClientException error) when (error.ErrorCode == KafkaErrorCode.UnknownTopicOrPartition)
                {
                    throw new CommandException($"There is no topic '{name}'. 'sluice topic list' shows those there are.");
                }
            },
            name);
    }
}
