using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Sluice.Commands.Client;

/// <summary>A column of a table: its head and the member that it shows.</summary>
internal sealed record Column(string Title, string Member);

/// <summary>Lists what the management API lists, as a table or as its JSON.</summary>
internal static class Listing
{
    /// <summary>A list verb.</summary>
    /// <param name="description">For help.</param>
    /// <param name="path">Path of the list.</param>
    /// <param name="columns">What the table shows.</param>
    public static Command Verb(string description, Func<Invocation, string> path, params Column[] columns) =>
        Invocation.Verb("list", description, async invocation => Show(invocation, await invocation.Admin.GetAsync(path(invocation), invocation.Cancel).ConfigureAwait(false), columns)).WithAdmin();

    public static int Show(Invocation invocation, JsonNode items, params Column[] columns)
    {
        if (invocation.Json)
        {
            invocation.Print(items);
            return 0;
        }

        Table table = new() { Border = TableBorder.Minimal };
        JsonArray list = items.AsArray();
        foreach (Column column in columns)
        {
            bool isNumber = list.Count > 0 && list.All(item => item?[column.Member] is JsonValue value && value.TryGetValue(out double _));
            TableColumn head = new(Markup.Escape(column.Title)) { NoWrap = true, Alignment = isNumber ? Justify.Right : Justify.Left };
            table.AddColumn(head);
        }

        foreach (JsonNode? item in list)
        {
            table.AddRow([.. columns.Select(column => new Text(Cell(item?[column.Member])))]);
        }

        IAnsiConsole console = invocation.Console();
        if (list.Count > 0)
        {
            console.Write(table);
        }
        else
        {
            invocation.Out.WriteLine("none");
        }

        return 0;
    }

    private static string Cell(JsonNode? value) => value switch
    {
        null => "",
        JsonObject { Count: 0 } => "",
        JsonArray list => string.Join(", ", list),
        JsonValue single when single.TryGetValue(out bool flag) => flag ? "yes" : "",
        JsonValue single when single.TryGetValue(out long number) => number.ToString("N0", CultureInfo.InvariantCulture),
        JsonValue single => single.ToString(),
        _ => value.ToJsonString(),
    };
}
