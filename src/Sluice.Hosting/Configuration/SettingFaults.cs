namespace Sluice.Hosting.Configuration;

/// <summary>Gathers what is wrong with settings.</summary>
/// <param name="errors">Gets a line for each fault.</param>
internal sealed class SettingFaults(List<string> errors)
{
    private readonly HashSet<string> _faulty = new(StringComparer.Ordinal);

    /// <summary>A setting is wrong by itself and was not taken.</summary>
    /// <param name="key">The setting's; null if it is none that there is, nor like any.</param>
    /// <param name="error">The line.</param>
    public void Add(string? key, string error)
    {
        errors.Add(error);
        if (key is not null)
        {
            _faulty.Add(key);
        }
    }

    /// <summary>Settings are wrong together. Not told if one of them was not taken: what it would contradict is not known.</summary>
    /// <param name="error">The line.</param>
    /// <param name="keys">Of all settings that it comes from.</param>
    public void AddContradiction(string error, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (_faulty.Contains(key))
            {
                return;
            }
        }

        errors.Add(error);
    }
}
