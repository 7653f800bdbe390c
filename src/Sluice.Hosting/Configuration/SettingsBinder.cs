using System.Globalization;
using System.Reflection;

namespace Sluice.Hosting.Configuration;

/// <summary>Puts values into <see cref="SluiceSettings"/> and says what is wrong with those that do not fit.</summary>
internal static class SettingsBinder
{
    private static readonly Dictionary<string, SettingEntry> ByKey = SettingsCatalog.Entries.ToDictionary(entry => entry.Key, StringComparer.OrdinalIgnoreCase);

    /// <summary>Later values win over earlier ones of the same key. Adds a line to <paramref name="errors"/> for each fault.</summary>
    public static SluiceSettings Bind(IEnumerable<SettingValue> values, List<string> errors)
    {
        var settings = new SluiceSettings();
        var faults = new SettingFaults(errors);
        foreach (SettingValue value in values)
        {
            if (!ByKey.TryGetValue(value.Key, out SettingEntry? entry))
            {
                string? nearest = Nearest(SettingsCatalog.Entries.Select(static known => known.Key), value.Key);
                faults.Add(nearest, $"{value.Origin}: there is no setting '{value.Key}'.{(nearest is null ? "" : $" The nearest is '{nearest}'.")}");
            }
            else if (Convert(entry, value, out string? error) is { } converted)
            {
                Assign(settings, entry.Path, converted);
            }
            else
            {
                faults.Add(entry.Key, $"{value.Origin}: {(entry.Attribute.Secret ? "the value" : $"'{value.Value}'")} {error}.");
            }
        }

        CheckTogether(settings, faults);
        return settings;
    }

    private static void CheckTogether(SluiceSettings settings, SettingFaults faults)
    {
        ConnectionSettings connections = settings.Connections;
        if (connections.OutputLowWaterBytes >= connections.OutputHighWaterBytes)
        {
            faults.AddContradiction(
                $"Connections:OutputLowWaterBytes ({connections.OutputLowWaterBytes}) must be below Connections:OutputHighWaterBytes ({connections.OutputHighWaterBytes}).",
                "Connections:OutputLowWaterBytes",
                "Connections:OutputHighWaterBytes");
        }

        long needed = (long)settings.Limits.MessageBytesMax + connections.OutputHighWaterBytes;
        if (connections.OutputHardLimitBytes < needed)
        {
            faults.AddContradiction(
                $"Connections:OutputHardLimitBytes ({connections.OutputHardLimitBytes}) must be at least Limits:MessageBytesMax and Connections:OutputHighWaterBytes together ({needed}).",
                "Connections:OutputHardLimitBytes",
                "Limits:MessageBytesMax",
                "Connections:OutputHighWaterBytes");
        }

        if (settings.Storage.TailBytesPerLogMax > settings.Storage.TailBytesMax)
        {
            faults.AddContradiction(
                $"Storage:TailBytesPerLogMax ({settings.Storage.TailBytesPerLogMax}) must not be above Storage:TailBytesMax ({settings.Storage.TailBytesMax}).", "Storage:TailBytesPerLogMax", "Storage:TailBytesMax");
        }

        if (string.IsNullOrWhiteSpace(settings.DataDirectory))
        {
            faults.AddContradiction("DataDirectory is empty: name the directory in which the broker keeps its data.", "DataDirectory");
        }

        KafkaSettingsCheck.Check(settings.Kafka, faults);
        ListenerPortsCheck.Check(settings, faults);
        foreach ((string key, string address, bool mayBeEmpty) in new[]
        {
            ("Amqp:Address", settings.Amqp.Address, true),
            ("Amqp:Tls:Address", settings.Amqp.Tls.Address, false),
            ("Kafka:Address", settings.Kafka.Address, true),
            ("Kafka:Tls:Address", settings.Kafka.Tls.Address, false),
            ("Admin:Address", settings.Admin.Address, true),
        })
        {
            if (!ListenAddress.TryParse(address, out _) && !(mayBeEmpty && address.Length == 0))
            {
                faults.AddContradiction($"{key}: '{address}' is not an IP address: use one of this machine's, localhost, or * for all.", key);
            }
        }

        foreach ((string section, TlsSettings tls) in new[] { ("Amqp:Tls", settings.Amqp.Tls), ("Kafka:Tls", settings.Kafka.Tls) })
        {
            if (tls.CertificateFile.Length == 0 && (tls.KeyFile.Length > 0 || tls.ClientCertificates != Transport.ClientCertificateMode.None))
            {
                faults.AddContradiction(
                    $"{section}:CertificateFile is empty, so there is no TLS listener, but other {section} settings ask for one.", $"{section}:CertificateFile", $"{section}:KeyFile", $"{section}:ClientCertificates");
            }
        }
    }

    private static object? Convert(SettingEntry entry, SettingValue value, out string? error)
    {
        error = null;
        Type type = entry.Type;
        string text = value.Value.Trim();
        if (type == typeof(string))
        {
            return value.Value;
        }

        if (type == typeof(IReadOnlyList<string>))
        {
            return value.Items ?? text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        }

        if (type == typeof(MemoryLimit))
        {
            return MemoryLimit.TryParse(text, out MemoryLimit limit, out error) ? limit : null;
        }

        if (type == typeof(bool))
        {
            error = "is neither true nor false";
            return bool.TryParse(text, out bool flag) ? flag : null;
        }

        if (type.IsEnum)
        {
            error = $"is not one of {entry.RangeText}{(Nearest(Enum.GetNames(type), text) is { } nearest ? $": the nearest is '{nearest}'" : "")}";
            return text.Length > 0 && char.IsLetter(text[0]) && Enum.TryParse(type, text, ignoreCase: true, out object? member) && Enum.IsDefined(type, member) ? member : null;
        }

        return ConvertNumber(entry, text, out error);
    }

    /// <summary>Which of the names may have been meant; null if what was written is like none of them.</summary>
    private static string? Nearest(IEnumerable<string> names, string text)
    {
        (string name, int edits) = names.Select(name => (name, EditDistance.Between(name.ToUpperInvariant(), text.ToUpperInvariant()))).MinBy(static pair => pair.Item2);
        return edits <= Math.Max(name.Length, text.Length) / 2 ? name : null;
    }

    private static object? ConvertNumber(SettingEntry entry, string text, out string? error)
    {
        error = null;
        bool isBytes = entry.Attribute.Unit == "bytes";
        if (!(isBytes ? ByteSize.TryParse(text, out long number) : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)))
        {
            error = isBytes ? "is not a number of bytes, such as 65536 or 64KB" : "is not a whole number";
            return null;
        }

        if (number < entry.Attribute.Min || number > entry.Attribute.Max)
        {
            double nearest = number < entry.Attribute.Min ? entry.Attribute.Min : entry.Attribute.Max;
            error = $"is out of range ({entry.RangeText}): the nearest allowed is {entry.Format((long)nearest)}";
            return null;
        }

        return entry.Type == typeof(int) ? (object)(int)number : number;
    }

    private static void Assign(SluiceSettings settings, IReadOnlyList<PropertyInfo> path, object value)
    {
        object target = settings;
        foreach (PropertyInfo section in path.SkipLast(1))
        {
            target = section.GetValue(target)!;
        }

        path[^1].SetValue(target, value);
    }
}
