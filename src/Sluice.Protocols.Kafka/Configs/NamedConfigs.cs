using System.Collections.Concurrent;
using System.Text;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Configs;

/// <summary>The configurations that things of one kind were given by name, whether the things are there or not, kept in the metadata store with what each comes to. Thread-safe.</summary>
/// <typeparam name="T">What a configuration comes to.</typeparam>
internal class NamedConfigs<T>
    where T : class
{
    private readonly IMetadataStore _metadata;
    private readonly string _prefix;
    private readonly Func<IReadOnlyDictionary<string, string>, T> _make;
    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Entry _default;
    private int _version;

    /// <param name="metadata">Where they are kept.</param>
    /// <param name="prefix">What the keys begin with there.</param>
    /// <param name="make">Makes of a configuration what it comes to.</param>
    public NamedConfigs(IMetadataStore metadata, string prefix, Func<IReadOnlyDictionary<string, string>, T> make)
    {
        (_metadata, _prefix, _make) = (metadata, prefix, make);
        _default = EntryOf(new Dictionary<string, string>());
        foreach (MetadataEntry entry in metadata.Range(prefix))
        {
            _entries[entry.Key[prefix.Length..]] = EntryOf(Parse(entry.Value.Span));
        }
    }

    /// <summary>Those of which something is set.</summary>
    public IEnumerable<string> Names => _entries.Keys;

    /// <summary>What those come to of which something is set.</summary>
    public IEnumerable<T> All => _entries.Values.Select(static entry => entry.Value);

    /// <summary>How many there are.</summary>
    public int Count => _entries.Count;

    /// <summary>Another number after each change.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>What was set; no more.</summary>
    public IReadOnlyDictionary<string, string> Find(string name) => _entries.GetValueOrDefault(name, _default).Config;

    /// <summary>What the configuration comes to; without one, what the defaults come to.</summary>
    public T Of(string name) => _entries.GetValueOrDefault(name, _default).Value;

    /// <summary>Replaces what was set by a configuration that was checked; done when it is kept.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    public async Task SetAsync(string name, IReadOnlyDictionary<string, string> config)
    {
        await _metadata.CommitAsync(config.Count == 0 ? MetadataTransaction.Delete(_prefix + name) : MetadataTransaction.Put(_prefix + name, Format(config))).ConfigureAwait(false);
        if (config.Count == 0)
        {
            _entries.TryRemove(name, out _);
        }
        else
        {
            _entries[name] = EntryOf(config);
        }

        Interlocked.Increment(ref _version);
    }

    /// <summary>A line for each key; values have no line breaks.</summary>
    private static byte[] Format(IReadOnlyDictionary<string, string> config) =>
        Encoding.UTF8.GetBytes(string.Join('\n', config.OrderBy(static setting => setting.Key, StringComparer.Ordinal).Select(static setting => $"{setting.Key}={setting.Value}")));

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> value) =>
        Encoding.UTF8.GetString(value).Split('\n').Select(static line => line.Split('=', 2)).ToDictionary(static parts => parts[0], static parts => parts[1], StringComparer.Ordinal);

    private Entry EntryOf(IReadOnlyDictionary<string, string> config) => new(config, _make(config));

    private sealed record Entry(IReadOnlyDictionary<string, string> Config, T Value);
}
