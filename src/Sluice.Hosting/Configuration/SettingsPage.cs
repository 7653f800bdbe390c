using System.Text;

namespace Sluice.Hosting.Configuration;

/// <summary>Writes docs/operating/configuration.md from the settings themselves.</summary>
public static class SettingsPage
{
    /// <summary>The whole page, in Markdown.</summary>
    public static string Write()
    {
        var page = new StringBuilder("""
            # Configuration
            Generated from `src/Sluice.Hosting/Configuration/SluiceSettings.cs`; a test compares the two.

            Settings come from three places, later ones winning:

            1. `appsettings.json` in the working directory, or the file given with `sluice serve --config FILE`, below the section `Sluice`:
               `{ "Sluice": { "Amqp": { "Port": 5672 } } }`
            2. environment variables with two underscores between the parts: `Sluice__Amqp__Port=5672`
            3. the command line: `sluice serve --set Amqp:Port=5672`

            A key that does not exist or a value that is not allowed stops the start with a message that names it and the nearest valid one, if there is one near; so do settings that contradict each other, such as two listeners with the same port. All that is wrong is told at once. Case does not matter in keys.
            Bytes may be written as `65536`, `64KB`, `1.5GB` (powers of 1024). Lists are JSON arrays in the file, and separated by commas elsewhere.

            """.ReplaceLineEndings("\n"));
        foreach (IGrouping<string, SettingEntry> section in SettingsCatalog.Entries.GroupBy(entry => string.Join(':', entry.Path.SkipLast(1).Select(part => part.Name))))
        {
            page.Append('\n').Append("## ").Append(section.Key.Length == 0 ? "General" : section.Key).Append('\n');
            page.Append("| key | default | allowed | unit | meaning |\n|---|---|---|---|---|\n");
            foreach (SettingEntry entry in section)
            {
                string defaultText = entry.DefaultText.Length == 0 ? "(empty)" : $"`{entry.DefaultText}`";
                page.Append("| `").Append(entry.Key).Append("` | ").Append(defaultText).Append(" | ").Append(entry.RangeText).Append(" | ")
                    .Append(entry.Attribute.Unit).Append(" | ").Append(entry.Attribute.Description).Append(" |\n");
            }
        }

        return page.ToString();
    }
}
