using System.Collections;
using System.Text.Json;

namespace Sluice.Hosting.Configuration;

/// <summary>
/// Reads settings from, in this order, later ones winning: a JSON file, environment variables (<c>Sluice__Amqp__Port</c>), and given
/// pairs (the command line). A key that is not known or a value out of bounds is an error, never ignored.
/// </summary>
public static class SettingsReader
{
    /// <summary>The file read when none is named, if it is there.</summary>
    public const string DefaultFile = "appsettings.json";

    private const string Section = "Sluice";
    private const string EnvironmentPrefix = Section + "__";

    /// <param name="file">A JSON file that must exist; null: <see cref="DefaultFile"/> in the working directory, if there is one.</param>
    /// <param name="environment">As from <see cref="Environment.GetEnvironmentVariables()"/>.</param>
    /// <param name="assignments">"Amqp:Port=5673"; the leading "Sluice:" may be left out.</param>
    /// <exception cref="SettingsException">Something is not valid; the message has a line for each fault.</exception>
    public static SluiceSettings Read(string? file, IDictionary environment, IEnumerable<string> assignments)
    {
        var errors = new List<string>();
        List<SettingValue> values = [.. FromFile(file, errors), .. FromEnvironment(environment), .. FromAssignments(assignments, errors)];
        SluiceSettings settings = SettingsBinder.Bind(values, errors);
        return errors.Count == 0
            ? settings
            : throw new SettingsException($"The configuration has {(errors.Count == 1 ? "an error" : $"{errors.Count} errors")}:{string.Concat(errors.Select(error => $"{Environment.NewLine}  {error}"))}");
    }

    private static IEnumerable<SettingValue> FromFile(string? file, List<string> errors)
    {
        string path = file ?? DefaultFile;
        if (file is null && !File.Exists(path))
        {
            return [];
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
            });
            var values = new List<SettingValue>();
            Flatten("", document.RootElement, path, values);
            foreach (SettingValue outside in values.Where(value => !IsInSection(value.Key)))
            {
                errors.Add($"{path}: '{outside.Key}' stands outside of the section '{Section}', where all settings belong.");
            }

            return [.. values.Where(value => IsInSection(value.Key)).Select(value => value with { Key = value.Key[(Section.Length + 1)..] })];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            errors.Add($"{path}: cannot be read: {error.Message}");
            return [];
        }
    }

    private static bool IsSection(string key) =>
        string.Equals(key, Section, StringComparison.OrdinalIgnoreCase) || SettingsCatalog.Entries.Any(entry => $"{Section}:{entry.Key}".StartsWith(key + ":", StringComparison.OrdinalIgnoreCase));

    private static bool IsInSection(string key) => key.StartsWith(Section + ":", StringComparison.OrdinalIgnoreCase);

    private static void Flatten(string key, JsonElement element, string file, List<SettingValue> values)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when key.Length > 0 && !element.EnumerateObject().Any() && !IsSection(key):
                // Nothing is set in it, but nothing could be.
                values.Add(new SettingValue(key, "", $"{file}, {key}"));
                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    Flatten(key.Length == 0 ? property.Name : $"{key}:{property.Name}", property.Value, file, values);
                }

                break;
            case JsonValueKind.Array:
                string[] items = [.. element.EnumerateArray().Select(item => item.ToString())];
                values.Add(new SettingValue(key, string.Join(',', items), $"{file}, {key}", items));
                break;
            default:
                values.Add(new SettingValue(key, element.ToString(), $"{file}, {key}"));
                break;
        }
    }

    private static IEnumerable<SettingValue> FromEnvironment(IDictionary environment) =>
        from DictionaryEntry entry in environment
        let name = (string)entry.Key
        where name.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase)
        orderby name
        select new SettingValue(name[EnvironmentPrefix.Length..].Replace("__", ":", StringComparison.Ordinal), (string?)entry.Value ?? "", $"environment variable {name}");

    private static IEnumerable<SettingValue> FromAssignments(IEnumerable<string> assignments, List<string> errors)
    {
        foreach (string assignment in assignments)
        {
            int equals = assignment.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                errors.Add($"command line: '{assignment}' is not of the form Key=Value, such as Amqp:Port=5673.");
                continue;
            }

            string key = assignment[..equals];
            yield return new SettingValue(IsInSection(key) ? key[(Section.Length + 1)..] : key, assignment[(equals + 1)..], $"command line, {key}");
        }
    }
}
