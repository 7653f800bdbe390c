using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Base.Changes;

namespace Sluice.Protocols.Kafka.Definitions;

/// <summary>One kind of what Kafka's administration sets, as files of definitions have it: a list of JSON objects under a name. Thread-safe.</summary>
public abstract class KafkaSection
{
    private readonly ILogger _logger;

    private protected KafkaSection(string name, ILogger logger) => (Name, _logger) = (name, logger);

    /// <summary>What it is called in the file.</summary>
    public string Name { get; }

    /// <summary>Everything there is, in an order that does not change.</summary>
    public abstract IEnumerable<JsonObject> Export();

    /// <summary>Takes entries in, all in one step, and none if one can't be; what is there already stays, or is set to what the entry says. Returns what became of each. Complete when they are kept.</summary>
    /// <param name="entries">As exported.</param>
    /// <param name="by">Who asks for it, for the log.</param>
    /// <exception cref="FormatException">An entry can't be; the message says which, and what is wrong with it. Nothing has changed.</exception>
    /// <exception cref="IOException">They could not be kept.</exception>
    public abstract ValueTask<IReadOnlyList<PutOutcome>> ImportAsync(IReadOnlyList<JsonElement> entries, string by);

    /// <summary>Tells the operator of each change, in the words that it has when it comes by Kafka's protocol.</summary>
    /// <param name="by">Whose.</param>
    /// <param name="outcomes">What became of each entry.</param>
    /// <param name="wordsOf">Of the entry at an index.</param>
    private protected void LogChanges(string by, IReadOnlyList<PutOutcome> outcomes, Func<int, string> wordsOf)
    {
        for (int index = 0; index < outcomes.Count; index++)
        {
            if (outcomes[index] != PutOutcome.Unchanged)
            {
                _logger.LogInformation("{Who} {What}", ChangeWords.Who(by), wordsOf(index));
            }
        }
    }

    /// <summary>Reads all entries.</summary>
    /// <exception cref="FormatException">One can't be; the message says which, and what is wrong with it.</exception>
    private protected T[] ReadAll<T>(IReadOnlyList<JsonElement> entries, Func<JsonElement, T> read) => [.. entries.Select((entry, index) =>
    {
        try
        {
            return read(entry);
        }
        catch (FormatException error)
        {
            throw In(entries, index, error.Message);
        }
    })];

    /// <summary>Says which entry can't be.</summary>
    private protected FormatException In(IReadOnlyList<JsonElement> entries, int index, string problem)
    {
        JsonElement entry = entries[index];
        string name = entry.ValueKind == JsonValueKind.Object && entry.TryGetProperty("name", out JsonElement named) && named.ValueKind == JsonValueKind.String ? $" '{named.GetString()}'" : "";
        return new FormatException($"{Name}[{index}]{name}: {problem}");
    }

    /// <summary>The members of an object.</summary>
    /// <exception cref="FormatException">It is something else, or has others than those known.</exception>
    private protected static IReadOnlyDictionary<string, JsonElement> Members(JsonElement entry, params string[] known)
    {
        if (entry.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException("an object is expected");
        }

        Dictionary<string, JsonElement> members = new(StringComparer.Ordinal);
        foreach (JsonProperty member in entry.EnumerateObject())
        {
            members[member.Name] = known.Length == 0 || known.Contains(member.Name, StringComparer.Ordinal) ? member.Value : throw new FormatException($"'{member.Name}' is not known here; known are {string.Join(", ", known)}");
        }

        return members;
    }

    private protected static string Text(IReadOnlyDictionary<string, JsonElement> members, string name) =>
        !members.TryGetValue(name, out JsonElement value) ? throw new FormatException($"'{name}' is missing")
        : value.ValueKind == JsonValueKind.String ? value.GetString()!
        : throw new FormatException($"'{name}' must be a string");

    /// <summary>A member that is an object itself, of names that are not known beforehand.</summary>
    private protected static IReadOnlyDictionary<string, JsonElement> Object(IReadOnlyDictionary<string, JsonElement> members, string name) =>
        !members.TryGetValue(name, out JsonElement value) ? throw new FormatException($"'{name}' is missing")
        : value.ValueKind == JsonValueKind.Object ? Members(value)
        : throw new FormatException($"'{name}' must be an object");
}
