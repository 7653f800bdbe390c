using System.Globalization;
using System.Reflection;

namespace Sluice.Hosting.Configuration;

/// <summary>One setting: its key and what is known of it.</summary>
/// <param name="Key">Such as "Amqp:Port".</param>
/// <param name="Path">The properties that lead to it from the root.</param>
/// <param name="Attribute">Meaning and bounds.</param>
/// <param name="Default">Its value when nothing is set.</param>
internal sealed record SettingEntry(string Key, IReadOnlyList<PropertyInfo> Path, SettingAttribute Attribute, object? Default)
{
    public Type Type => Path[^1].PropertyType;

    public string DefaultText => Format(Default);

    /// <summary>What the value may be, in words.</summary>
    public string RangeText
    {
        get
        {
            if (Type.IsEnum)
            {
                return string.Join(", ", Enum.GetNames(Type));
            }

            if (Type == typeof(bool))
            {
                return "true, false";
            }

            if (Type != typeof(int) && Type != typeof(long))
            {
                return "";
            }

            return Attribute.Max >= long.MaxValue ? $"from {Format((long)Attribute.Min)}" : $"{Format((long)Attribute.Min)} to {Format((long)Attribute.Max)}";
        }
    }

    public string Format(object? value) => value switch
    {
        null => "",
        bool flag => flag ? "true" : "false",
        int or long when Attribute.Unit == "bytes" => ByteSize.Format(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        IReadOnlyList<string> list => string.Join(",", list),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}

/// <summary>All settings there are, in the order of the code.</summary>
internal static class SettingsCatalog
{
    public static IReadOnlyList<SettingEntry> Entries { get; } = [.. Walk(typeof(SluiceSettings), new SluiceSettings(), [])];

    private static IEnumerable<SettingEntry> Walk(Type type, object defaults, IReadOnlyList<PropertyInfo> above)
    {
        // What a section has from the one that it extends comes first.
        IEnumerable<PropertyInfo> properties = type.GetProperties(BindingFlags.Public | BindingFlags.Instance);
        foreach (PropertyInfo property in properties.OrderBy(property => property.DeclaringType == type).ThenBy(property => property.MetadataToken))
        {
            IReadOnlyList<PropertyInfo> path = [.. above, property];
            if (property.GetCustomAttribute<SettingAttribute>() is { } attribute)
            {
                yield return new SettingEntry(string.Join(':', path.Select(part => part.Name)), path, attribute, property.GetValue(defaults));
            }
            else if (property.GetValue(defaults) is { } section && property.CanWrite)
            {
                foreach (SettingEntry entry in Walk(property.PropertyType, section, path))
                {
                    yield return entry;
                }
            }
        }
    }
}
