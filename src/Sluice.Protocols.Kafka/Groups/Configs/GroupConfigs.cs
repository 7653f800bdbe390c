using System.Collections.Concurrent;
using System.Text;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Groups.Configs;

/// <summary>The configurations that groups were given, whether the groups are there or not. Thread-safe.</summary>
internal sealed class GroupConfigs
{
    private const string Prefix = "kafka/groups/";

    private readonly IMetadataStore _metadata;
    private readonly ConcurrentDictionary<string, Entry> _groups = new(StringComparer.Ordinal);
    private readonly Entry _default = new(new Dictionary<string, string>());

    public GroupConfigs(IMetadataStore metadata)
    {
        _metadata = metadata;
        foreach (MetadataEntry entry in metadata.Range(Prefix))
        {
            _groups[entry.Key[Prefix.Length..]] = new Entry(Parse(entry.Value.Span));
        }
    }

    /// <summary>Those that something was set for.</summary>
    public IEnumerable<string> GroupIds => _groups.Keys;

    /// <summary>What was set; no more.</summary>
    public IReadOnlyDictionary<string, string> Find(string groupId) => EntryOf(groupId).Config;

    public ConsumerSettings ConsumersOf(string groupId) => EntryOf(groupId).Consumers;

    public ShareSettings SharesOf(string groupId) => EntryOf(groupId).Shares;

    /// <summary>Replaces what was set by a configuration that was checked; done when it is kept.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    public async Task SetAsync(string groupId, IReadOnlyDictionary<string, string> config)
    {
        await _metadata.CommitAsync(config.Count == 0 ? MetadataTransaction.Delete(Prefix + groupId) : MetadataTransaction.Put(Prefix + groupId, Format(config))).ConfigureAwait(false);
        if (config.Count == 0)
        {
            _groups.TryRemove(groupId, out _);
        }
        else
        {
            _groups[groupId] = new Entry(config);
        }
    }

    /// <summary>A line for each key; values have no line breaks.</summary>
    private static byte[] Format(IReadOnlyDictionary<string, string> config) =>
        Encoding.UTF8.GetBytes(string.Join('\n', config.OrderBy(static setting => setting.Key, StringComparer.Ordinal).Select(static setting => $"{setting.Key}={setting.Value}")));

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> value) =>
        Encoding.UTF8.GetString(value).Split('\n').Select(static line => line.Split('=', 2)).ToDictionary(static parts => parts[0], static parts => parts[1], StringComparer.Ordinal);

    private Entry EntryOf(string groupId) => _groups.GetValueOrDefault(groupId, _default);

    private sealed class Entry(IReadOnlyDictionary<string, string> config)
    {
        public IReadOnlyDictionary<string, string> Config => config;

        public ConsumerSettings Consumers { get; } = new(config);

        public ShareSettings Shares { get; } = new(config);
    }
}
