using System.Collections.Concurrent;
using System.Text;
using Sluice.Base.Changes;
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
    private readonly Lock _reading = new();
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

    /// <summary>What was set as it is kept, with the revision that a change of it is to name.</summary>
    public (IReadOnlyDictionary<string, string> Config, long Revision) Read(string name) =>
        _metadata.Get(_prefix + name) is { } entry ? (Parse(entry.Value.Span), entry.ModRevision) : (_default.Config, 0);

    /// <summary>Replaces what was set by a configuration that was checked; done when it is kept. False if it has another revision than named, so that nothing is changed.</summary>
    /// <param name="name">Whose.</param>
    /// <param name="config">The whole of it.</param>
    /// <param name="revision">As read; null: any.</param>
    /// <exception cref="IOException">It could not be kept.</exception>
    public async Task<bool> SetAsync(string name, IReadOnlyDictionary<string, string> config, long? revision = null)
    {
        string key = _prefix + name;
        MetadataCondition[] conditions = revision is { } read ? [new MetadataCondition(key, read)] : [];
        return await CommitAsync(new MetadataTransaction(conditions, [OperationOf(name, config)]), [name]).ConfigureAwait(false);
    }

    /// <summary>Replaces what was set by configurations that were checked, all in one step; done when it is kept. What is so already is not written again. Returns what became of each.</summary>
    /// <param name="wanted">Names, and the whole of what is to be set of each.</param>
    /// <param name="countMax">How many there may be.</param>
    /// <returns>Beyond is the first for which there is no room; then nothing is changed.</returns>
    /// <exception cref="IOException">It could not be kept.</exception>
    public async Task<(IReadOnlyList<PutOutcome> Outcomes, int? Beyond)> SetAsync(IReadOnlyList<(string Name, IReadOnlyDictionary<string, string> Config)> wanted, int countMax)
    {
        while (true)
        {
            List<PutOutcome> outcomes = [];
            Dictionary<string, (IReadOnlyDictionary<string, string> Before, IReadOnlyDictionary<string, string> After, long Revision)> altered = new(StringComparer.Ordinal);
            int count = Count;
            foreach ((string name, IReadOnlyDictionary<string, string> config) in wanted)
            {
                if (!altered.TryGetValue(name, out var entry))
                {
                    (IReadOnlyDictionary<string, string> before, long revision) = Read(name);
                    entry = (before, before, revision);
                }

                PutOutcome outcome = AreSame(entry.After, config) ? PutOutcome.Unchanged : entry.After.Count == 0 ? PutOutcome.Created : PutOutcome.Changed;
                if (outcome == PutOutcome.Created && ++count > countMax)
                {
                    return ([], outcomes.Count);
                }

                outcomes.Add(outcome);
                altered[name] = entry with { After = config };
            }

            // What somebody else has set meanwhile is seen before it is replaced. A transaction with nothing to do ends when what was read is kept.
            var transaction = new MetadataTransaction(
                [.. altered.Select(entry => new MetadataCondition(_prefix + entry.Key, entry.Value.Revision))],
                [.. altered.Where(static entry => !AreSame(entry.Value.Before, entry.Value.After)).Select(entry => OperationOf(entry.Key, entry.Value.After))]);
            if (await CommitAsync(transaction, altered.Keys).ConfigureAwait(false))
            {
                return (outcomes, null);
            }
        }
    }

    /// <summary>Whether they set the same.</summary>
    public static bool AreSame(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after) => before.Count == after.Count && before.All(after.Contains);

    private MetadataOperation OperationOf(string name, IReadOnlyDictionary<string, string> config) => new(_prefix + name, config.Count == 0 ? default(ReadOnlyMemory<byte>?) : Format(config));

    /// <summary>False if a condition does not hold.</summary>
    private async Task<bool> CommitAsync(MetadataTransaction transaction, IReadOnlyCollection<string> names)
    {
        if (!(await _metadata.CommitAsync(transaction).ConfigureAwait(false)).Succeeded)
        {
            return false;
        }

        lock (_reading)
        {
            foreach (string name in names)
            {
                // Of two changes at once, who reads last has both.
                if (_metadata.Get(_prefix + name) is { } entry)
                {
                    _entries[name] = EntryOf(Parse(entry.Value.Span));
                }
                else
                {
                    _entries.TryRemove(name, out _);
                }
            }
        }

        Interlocked.Increment(ref _version);
        return true;
    }

    /// <summary>A line for each key; values have no line breaks.</summary>
    private static byte[] Format(IReadOnlyDictionary<string, string> config) =>
        Encoding.UTF8.GetBytes(string.Join('\n', config.OrderBy(static setting => setting.Key, StringComparer.Ordinal).Select(static setting => $"{setting.Key}={setting.Value}")));

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> value) =>
        Encoding.UTF8.GetString(value).Split('\n').Select(static line => line.Split('=', 2)).ToDictionary(static parts => parts[0], static parts => parts[1], StringComparer.Ordinal);

    private Entry EntryOf(IReadOnlyDictionary<string, string> config) => new(config, _make(config));

    private sealed record Entry(IReadOnlyDictionary<string, string> Config, T Value);
}
