using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;
using Spectre.Console;

namespace Sluice.Commands.Verbs;

/// <summary>How the broker is.</summary>
internal static class StatusVerb
{
    public static Command Create() => Invocation.Verb("status", "Show how the broker is: totals, listeners, what it lacks.", RunAsync).WithAdmin();

    /// <summary>Exit code 2 while publishers are blocked, so that scripts can watch for it.</summary>
    private static async Task<int> RunAsync(Invocation invocation)
    {
        JsonNode overview = await invocation.Admin.GetAsync("/api/overview", invocation.Cancel).ConfigureAwait(false);
        JsonNode alarms = await AlarmsAsync(invocation).ConfigureAwait(false);
        bool isWell = alarms["status"]?.ToString() == "ok";
        if (invocation.Json)
        {
            invocation.Print(new JsonObject { ["overview"] = overview.DeepClone(), ["alarms"] = alarms.DeepClone() });
            return isWell ? 0 : 2;
        }

        Grid grid = new();
        grid.AddColumn(new GridColumn { NoWrap = true });
        grid.AddColumn();
        void Line(string name, string value) => grid.AddRow(new Text(name), new Text(value));
        Line("node", $"{overview["node"]}, {overview["product_name"]} {overview["product_version"]}");
        Line("state", isWell ? "publishers may publish" : alarms["reason"]?.ToString() ?? "publishers are blocked");
        Line("messages", $"{Count(overview, "queue_totals", "messages_ready")} ready, {Count(overview, "queue_totals", "messages_unacknowledged")} delivered and not acknowledged");
        Line("objects", string.Join(", ", new[] { "queues", "topics", "partitions", "exchanges", "connections", "channels", "consumers" }.Select(name => $"{Count(overview, "object_totals", name)} {name}{(name == "connections" ? Protocols(overview) : "")}")));
        foreach (JsonNode? listener in overview["listeners"]?.AsArray() ?? [])
        {
            Line("listener", $"{listener?["protocol"]} on {listener?["ip_address"]} port {listener?["port"]}");
        }

        invocation.Console().Write(grid);
        return isWell ? 0 : 2;
    }

    private static async Task<JsonNode> AlarmsAsync(Invocation invocation)
    {
        try
        {
            return await invocation.Admin.GetAsync("/api/health/checks/alarms", invocation.Cancel).ConfigureAwait(false);
        }
        catch (CommandException error)
        {
            return new JsonObject { ["status"] = "failed", ["reason"] = error.Message.TrimEnd('.') };
        }
    }

    private static string Protocols(JsonNode overview) =>
        $" ({string.Join(", ", overview["object_totals"]?["connections_by_protocol"]?.AsObject().Select(static entry => $"{entry.Value?.GetValue<long>().ToString("N0", CultureInfo.InvariantCulture)} {entry.Key}") ?? [])})";

    private static string Count(JsonNode overview, string group, string name) => (overview[group]?[name]?.GetValue<long>() ?? 0).ToString("N0", CultureInfo.InvariantCulture);
}
