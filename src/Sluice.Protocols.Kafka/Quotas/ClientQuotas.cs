using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>Which quotas there are, kept in the metadata store, and who has used how much of theirs. Thread-safe.</summary>
internal sealed class ClientQuotas
{
    public const string Produce = "producer_byte_rate", Fetch = "consumer_byte_rate", Mutations = "controller_mutation_rate";

    /// <summary>Meters that were not used for longer say nothing any more.</summary>
    private const long MeterIdleMs = 60_000;

    private const int MetersMax = 10_000;

    private readonly IMetadataStore _metadata;
    private readonly TimeProvider _clock;
    private readonly Lock _reading = new();
    private readonly ConcurrentDictionary<(QuotaEntity Entity, string User, string Client, string Key), QuotaMeter> _meters = new();
    private readonly ConcurrentDictionary<(QuotaEntity Entity, string User, string Client, string Key), QuotaBucket> _buckets = new();
    private volatile IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> _quotas;

    public ClientQuotas(IMetadataStore metadata, TimeProvider clock)
    {
        _metadata = metadata;
        _clock = clock;
        _quotas = Read();
    }

    /// <summary>The values that can be set, by Kafka's names.</summary>
    public static IReadOnlyList<string> Keys { get; } = [Produce, Fetch, Mutations];

    public IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> All => _quotas;

    /// <summary>Counts bytes for a client; returns for how long it is to be left alone, in ms.</summary>
    public int Count(string key, string user, string client, long bytes)
    {
        IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> quotas = _quotas;
        if (quotas.Count == 0)
        {
            return 0;
        }

        if (!TryFind(quotas, key, user, client, out (QuotaEntity, string, string, string) shared, out double perSecondMax))
        {
            return 0;
        }

        long nowMs = NowMs;
        int throttleMs = _meters.GetOrAdd(shared, static _ => new QuotaMeter()).Add(bytes, perSecondMax, nowMs);
        if (_meters.Count > MetersMax)
        {
            Forget(nowMs - MeterIdleMs);
        }

        return throttleMs;
    }

    /// <summary>What a client's request may take of its quota for making and deleting partitions.</summary>
    /// <param name="user">Whose request.</param>
    /// <param name="client">The client's id.</param>
    /// <param name="isStrict">Whether its version knows THROTTLING_QUOTA_EXCEEDED.</param>
    public MutationQuota Mutate(string user, string client, bool isStrict)
    {
        if (!TryFind(_quotas, Mutations, user, client, out (QuotaEntity, string, string, string) shared, out double perSecond))
        {
            return new MutationQuota(null, 0, isStrict, _clock);
        }

        QuotaBucket bucket = _buckets.GetOrAdd(shared, static _ => new QuotaBucket());
        if (_buckets.Count > MetersMax)
        {
            foreach ((var other, QuotaBucket full) in _buckets)
            {
                if (full != bucket && full.IsFull(perSecond, NowMs))
                {
                    _buckets.TryRemove(other, out _);
                }
            }
        }

        return new MutationQuota(bucket, perSecond, isStrict, _clock);
    }

    /// <summary>Sets values, or takes those away that are null; complete when it is kept.</summary>
    public async ValueTask AlterAsync(QuotaEntity entity, IReadOnlyDictionary<string, double?> changes)
    {
        MetadataResult result;
        do
        {
            MetadataEntry? entry = _metadata.Get(entity.Key);
            var values = new SortedDictionary<string, double>(StringComparer.Ordinal);
            foreach ((string key, double value) in entry is null ? new Dictionary<string, double>() : Decode(entry.Value.Span))
            {
                values[key] = value;
            }

            foreach ((string key, double? value) in changes)
            {
                if (value is { } set)
                {
                    values[key] = set;
                }
                else
                {
                    values.Remove(key);
                }
            }

            ReadOnlyMemory<byte>? encoded = values.Count == 0 ? default(ReadOnlyMemory<byte>?) : Encode(values);
            result = await _metadata.CommitAsync(new MetadataTransaction([new MetadataCondition(entity.Key, entry?.ModRevision ?? 0)], [new MetadataOperation(entity.Key, encoded)])).ConfigureAwait(false);
        }
        while (!result.Succeeded);

        lock (_reading)
        {
            // Of two changes at once, who reads last has both.
            _quotas = Read();
        }
    }

    private long NowMs => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Finds the quota that counts for a client, and with whom it shares it.</summary>
    private static bool TryFind(
        IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> quotas, string key, string user, string client, out (QuotaEntity Entity, string User, string Client, string Key) shared, out double value)
    {
        foreach (QuotaEntity entity in quotas.Count == 0 ? [] : QuotaEntity.For(user, client))
        {
            if (quotas.TryGetValue(entity, out IReadOnlyDictionary<string, double>? values) && values.TryGetValue(key, out value))
            {
                (string sharedUser, string sharedClient) = entity.Share(user, client);
                shared = (entity, sharedUser, sharedClient, key);
                return true;
            }
        }

        (shared, value) = (default, 0);
        return false;
    }

    private Dictionary<QuotaEntity, IReadOnlyDictionary<string, double>> Read() =>
        _metadata.Range(QuotaEntity.AllKeys).ToDictionary(static entry => QuotaEntity.OfKey(entry.Key), static entry => Decode(entry.Value.Span));

    private static byte[] Encode(SortedDictionary<string, double> values) =>
        Encoding.UTF8.GetBytes(string.Join('\n', values.Select(static pair => $"{pair.Key}={pair.Value.ToString("R", CultureInfo.InvariantCulture)}")));

    private static IReadOnlyDictionary<string, double> Decode(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetString(bytes).Split('\n').Select(static line => line.Split('=')).ToDictionary(static pair => pair[0], static pair => double.Parse(pair[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    private void Forget(long unusedSinceMs)
    {
        foreach ((var key, QuotaMeter meter) in _meters)
        {
            if (meter.UsedMs < unusedSinceMs)
            {
                _meters.TryRemove(key, out _);
            }
        }
    }
}
