using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Sluice.Admin.Json;

namespace Sluice.Admin.Http;

/// <summary>What the query of a list asks for: which columns, which names, in which order, which page.</summary>
internal sealed record ListQuery
{
    private const int PageSizeMax = 500;
    private static readonly TimeSpan RegexTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Paths such as message_stats.publish; empty: all.</summary>
    private string[][] Columns { get; init; } = [];

    private string? Sort { get; init; }

    private bool Descending { get; init; }

    /// <summary>0: no pages.</summary>
    private int Page { get; init; }

    private int PageSize { get; init; }

    private Func<string, bool>? Name { get; init; }

    /// <exception cref="AdminException">A parameter has a value that it cannot have.</exception>
    public static ListQuery Of(IQueryCollection query)
    {
        int page = Number(query, "page", 0);
        int size = Number(query, "page_size", 100);
        if (size is < 1 or > PageSizeMax)
        {
            throw AdminException.BadRequest($"page_size must be 1 to {PageSizeMax}");
        }

        return new ListQuery
        {
            Columns = [.. query["columns"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries).Select(column => column.Split('.'))],
            Sort = query["sort"].ToString() is { Length: > 0 } sort ? sort : null,
            Descending = query["sort_reverse"].ToString() == "true",
            Page = page,
            PageSize = size,
            Name = NameFilter(query["name"].ToString(), query["use_regex"].ToString() == "true"),
        };
    }

    public async Task WriteAsync<T>(IEnumerable<T> items, JsonTypeInfo<T> type, PipeWriter to, CancellationToken cancel)
    {
        if (Columns.Length == 0 && Sort is null && Page == 0 && Name is null)
        {
            await WriteAllAsync(items, type, to, cancel).ConfigureAwait(false);
            return;
        }

        List<JsonObject> all = [.. items.Select(item => JsonSerializer.SerializeToNode(item, type)!.AsObject())];
        List<JsonObject> chosen = Name is null ? all : [.. all.Where(item => Name(item["name"]?.GetValue<string>() ?? ""))];
        if (Sort is not null)
        {
            string[] path = Sort.Split('.');
            chosen = [.. Descending ? chosen.OrderByDescending(item => Follow(item, path), NodeOrder.Instance) : chosen.OrderBy(item => Follow(item, path), NodeOrder.Instance)];
        }

        IEnumerable<JsonObject> shown = Page == 0 ? chosen : chosen.Skip((Page - 1) * PageSize).Take(PageSize);
        JsonArray array = [.. shown.Select(item => (JsonNode)Pick(item))];
        if (Page == 0)
        {
            await JsonSerializer.SerializeAsync(to, array, AdminJson.Default.JsonArray, cancel).ConfigureAwait(false);
            return;
        }

        int pages = Math.Max(1, (chosen.Count + PageSize - 1) / PageSize);
        if (Page > pages)
        {
            throw AdminException.BadRequest($"page {Page} is out of range: there are {pages}");
        }

        PageModel model = new(chosen.Count, array.Count, array, Page, pages, PageSize, all.Count);
        await JsonSerializer.SerializeAsync(to, model, AdminJson.Default.PageModel, cancel).ConfigureAwait(false);
    }

    private static async Task WriteAllAsync<T>(IEnumerable<T> items, JsonTypeInfo<T> type, PipeWriter to, CancellationToken cancel)
    {
        const int FlushBytes = 64 * 1024;
        using Utf8JsonWriter writer = new(to);
        writer.WriteStartArray();
        foreach (T item in items)
        {
            JsonSerializer.Serialize(writer, item, type);
            if (to.UnflushedBytes > FlushBytes)
            {
                await to.FlushAsync(cancel).ConfigureAwait(false);
            }
        }

        writer.WriteEndArray();
        writer.Flush();
        await to.FlushAsync(cancel).ConfigureAwait(false);
    }

    private JsonObject Pick(JsonObject item)
    {
        if (Columns.Length == 0)
        {
            return item;
        }

        JsonObject picked = [];
        foreach (string[] path in Columns)
        {
            if (Follow(item, path) is { } value)
            {
                JsonObject at = picked;
                foreach (string step in path[..^1])
                {
                    at = (JsonObject)(at[step] ??= new JsonObject());
                }

                at[path[^1]] = value.DeepClone();
            }
        }

        return picked;
    }

    private static JsonNode? Follow(JsonNode? node, string[] path)
    {
        foreach (string step in path)
        {
            node = (node as JsonObject)?[step];
        }

        return node;
    }

    private static int Number(IQueryCollection query, string name, int otherwise) =>
        query[name].ToString() is not { Length: > 0 } text ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number
        : throw AdminException.BadRequest($"{name} must be a number above 0");

    private static Func<string, bool>? NameFilter(string name, bool isRegex)
    {
        if (name.Length == 0)
        {
            return null;
        }

        if (!isRegex)
        {
            return text => text.Contains(name, StringComparison.OrdinalIgnoreCase);
        }

        try
        {
            Regex regex = new(name, RegexOptions.CultureInvariant | RegexOptions.IgnoreCase, RegexTimeout);
            return regex.IsMatch;
        }
        catch (ArgumentException error)
        {
            throw AdminException.BadRequest($"name is not a regular expression: {error.Message}");
        }
    }

    /// <summary>Numbers by size, all else as text; what is missing comes first.</summary>
    private sealed class NodeOrder : IComparer<JsonNode?>
    {
        public static NodeOrder Instance { get; } = new();

        public int Compare(JsonNode? x, JsonNode? y)
        {
            if (x is JsonValue a && y is JsonValue b && a.TryGetValue(out double left) && b.TryGetValue(out double right))
            {
                return left.CompareTo(right);
            }

            return string.CompareOrdinal(x?.ToString(), y?.ToString());
        }
    }
}
