namespace Sluice.Base.Changes;

/// <summary>What somebody has changed in words, for the log.</summary>
public static class ChangeWords
{
    /// <summary>Who has changed something, at the beginning of a line.</summary>
    /// <param name="by">The user; null: the program that the broker is part of.</param>
    public static string Who(string? by) => by is null ? "The broker's host program" : $"User '{by}'";

    /// <summary>What is set, as in "a=1, b=2", in the order of the names.</summary>
    /// <param name="settings">Names and values.</param>
    /// <param name="none">What is said if there are none.</param>
    public static string Settings(IReadOnlyCollection<KeyValuePair<string, string>> settings, string none) =>
        settings.Count == 0 ? none : string.Join(", ", settings.OrderBy(static setting => setting.Key, StringComparer.Ordinal).Select(static setting => $"{setting.Key}={setting.Value}"));
}
