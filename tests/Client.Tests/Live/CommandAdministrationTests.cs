using System.Text.Json.Nodes;
using Sluice.Client.Tests.Support;

namespace Sluice.Client.Tests.Live;

/// <summary>sluice topic create, alter and delete, and sluice acl.</summary>
public sealed class CommandAdministrationTests(LiveBroker broker) : IClassFixture<LiveBroker>
{
    [Fact]
    public async Task A_topic_is_created_altered_and_deleted()
    {
        Assert.SkipUnless(broker.AdminPort > 0, "the broker is none whose topics this command shows");
        string topic = broker.NewName("made");
        Assert.Equal($"Topic '{topic}' created, with 3 partitions.\n", await OkAsync("topic", "create", topic, "--partitions", "3", "--config", "retention.ms=3600000", "--config", "cleanup.policy=compact,delete"));
        Assert.Equal("""3 {"cleanup.policy":"compact,delete","retention.ms":"3600000"}""", await ShowAsync(topic));
        Assert.Contains("already exists", await FailsAsync("topic", "create", topic));
        Assert.Equal($"Topic '{topic}' altered: 5 partitions, retention.bytes=1000, retention.ms as by default.\n", await OkAsync("topic", "alter", topic, "--partitions", "5", "--config", "retention.bytes=1000", "--delete-config", "retention.ms"));
        Assert.Equal("""5 {"cleanup.policy":"compact,delete","retention.bytes":"1000"}""", await ShowAsync(topic));
        Assert.Contains("InvalidPartitions", await FailsAsync("topic", "alter", topic, "--partitions", "2"));
        Assert.Contains("nosuch", await FailsAsync("topic", "alter", topic, "--config", "nosuch=1"));
        Assert.Contains("nosuch", await FailsAsync("topic", "alter", topic, "--partitions", "7", "--config", "nosuch=1"));
        Assert.Equal("5", (await ShowAsync(topic))[..1]);
        string half = await FailsAsync("topic", "alter", topic, "--partitions", "2", "--config", "retention.bytes=2000", "--delete-config", "cleanup.policy");
        Assert.Contains("InvalidPartitions", half);
        Assert.EndsWith(". The settings of the topic are changed: retention.bytes=2000, cleanup.policy as by default.\n", half);
        Assert.Equal("""5 {"retention.bytes":"2000"}""", await ShowAsync(topic));
        Assert.Contains("Say what is to change", await FailsAsync("topic", "alter", topic));
        Assert.Contains("'a' is given twice", await FailsAsync("topic", "alter", topic, "--config", "a=1", "--delete-config", "a"));
        Assert.Equal($"Topic '{topic}' deleted, with its records.\n", await OkAsync("topic", "delete", topic));
        Assert.Equal($"sluice: There is no topic '{topic}'. 'sluice topic list' shows those there are.\n", await FailsAsync("topic", "delete", topic));
        Assert.Equal($"Topic '{topic}' created, with 1 partition.\n", await OkAsync("topic", "create", topic));
    }

    [Fact]
    public async Task Who_may_not_make_a_topic_by_the_access_list_may_not_by_the_command()
    {
        Assert.SkipUnless(broker.AdminPort > 0, "the broker is none whose users this command makes");
        string user = broker.NewName("user"), topic = broker.NewName("denied");
        string[] admin = ["--admin-port", $"{broker.AdminPort}"];
        await SluiceProgram.OkAsync("", ["user", "add", user, "--new-password", "p", .. admin]);
        await SluiceProgram.OkAsync("", ["user", "permit", user, "--configure", ".*", "--write", ".*", "--read", ".*", .. admin]);
        Assert.Equal($"The access list says: User:{user} from any address may not Create topic '{topic}'.\n", await OkAsync("acl", "add", user, "create", "--topic", topic, "--deny"));
        Assert.Contains("TopicAuthorizationFailed", await FailsAsync("topic", "create", topic, "--user", user, "--password", "p"));
        Assert.Contains("ClusterAuthorizationFailed", await FailsAsync("acl", "remove", user, "create", "--topic", topic, "--deny", "--user", user, "--password", "p"));
        Assert.Equal($"The access list does not say any more: User:{user} from any address may not Create topic '{topic}'.\n", await OkAsync("acl", "remove", user, "create", "--topic", topic, "--deny"));
        await OkAsync("topic", "create", topic, "--user", user, "--password", "p");
    }

    [Fact]
    public async Task Entries_of_the_access_list_are_listed_and_removed_as_they_were_added()
    {
        string user = broker.NewName("listed");
        await OkAsync("acl", "add", $"User:{user}", "describe-configs", "--topic", "orders", "--prefix", "--from", "10.0.0.7");
        await OkAsync("acl", "add", user, "read", "--group", "*");
        await OkAsync("acl", "add", user, "Alter", "--cluster");
        JsonArray all = JsonNode.Parse(await OkAsync("acl", "list", "--of", user, "--json"))!.AsArray();
        Assert.Equal(
            ["10.0.0.7 allow describe_configs topic prefixed orders", "* allow alter cluster literal kafka-cluster", "* allow read group literal *"],
            all.Select(static entry => $"{entry!["host"]} {entry["permission"]} {entry["operation"]} {entry["resource_type"]} {entry["pattern_type"]} {entry["resource_name"]}").Order(StringComparer.Ordinal).OrderBy(static line => line[0] == '*'));
        Assert.Single(JsonNode.Parse(await OkAsync("acl", "list", "--of", user, "--cluster", "--json"))!.AsArray());
        Assert.Contains("There is no entry: User:", await FailsAsync("acl", "remove", user, "describe-configs", "--topic", "orders", "--from", "10.0.0.7"));
        await OkAsync("acl", "remove", user, "describe-configs", "--topic", "orders", "--prefix", "--from", "10.0.0.7");
        await OkAsync("acl", "remove", user, "read", "--group", "*");
        await OkAsync("acl", "remove", user, "alter", "--cluster");
        Assert.Equal("none\n", await OkAsync("acl", "list", "--of", user));
    }

    [Theory]
    [InlineData("Say of what: --topic, --group, --transactional-id or --cluster.", "acl", "add", "alice", "read")]
    [InlineData("An entry is about one thing", "acl", "add", "alice", "read", "--topic", "t", "--group", "g")]
    [InlineData("The operation cannot be 'look': one of all, read, write,", "acl", "add", "alice", "look", "--topic", "t")]
    public async Task What_makes_no_sense_is_refused(string expected, params string[] arguments) => Assert.Contains(expected, await FailsAsync(arguments));

    private Task<string> OkAsync(params string[] arguments) => SluiceProgram.OkAsync("", [.. arguments, "--bootstrap-server", broker.Address]);

    private async Task<string> FailsAsync(params string[] arguments)
    {
        (int code, _, string error) = await SluiceProgram.RunAsync("", [.. arguments, "--bootstrap-server", broker.Address]);
        Assert.Equal(1, code);
        return error;
    }

    private async Task<string> ShowAsync(string topic)
    {
        JsonNode shown = JsonNode.Parse(await SluiceProgram.OkAsync("", "topic", "show", topic, "--json", "--admin-port", $"{broker.AdminPort}"))!;
        return $"{shown["partitions"]} {shown["config"]!.ToJsonString()}";
    }
}
