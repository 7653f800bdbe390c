namespace Sluice.Hosting.Configuration;

/// <summary>A value that somebody set somewhere.</summary>
/// <param name="Key">Below "Sluice", such as "Amqp:Port".</param>
/// <param name="Value">As text.</param>
/// <param name="Origin">Where it was set, for messages: "environment variable Sluice__Amqp__Port".</param>
/// <param name="Items">The elements, where the source has lists; null: <paramref name="Value"/> is split at commas if a list is wanted.</param>
public sealed record SettingValue(string Key, string Value, string Origin, IReadOnlyList<string>? Items = null);

/// <summary>The configuration cannot be used; the message names every key at fault and what would be right.</summary>
public sealed class SettingsException : Exception
{
    public SettingsException()
    {
    }

    public SettingsException(string message)
        : base(message)
    {
    }

    public SettingsException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
