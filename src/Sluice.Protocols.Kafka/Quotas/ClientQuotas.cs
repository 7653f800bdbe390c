using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Sluice.Base.Changes;
using Sluice.Security;
using Sluice.Storage.Metadata;

namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>Which quotas there are, kept in the metadata store, and who has used how much of theirs. Thread-safe.</summary>
internal sealed class ClientQuotas
{
    public const string Produce = "producer_byte_rate", Fetch = "consumer_byte_rate", Mutations = "controller_mutation_rate", Requests = "request_percentage";

    /// <summary>The one of IP addresses.</summary>
    public const string Connections = "connection_creation_rate";

    /// <summary>Longest time, in ms, for which the quota of time, or of connections, has a client wait: Kafka's quota.window.size.seconds.</summary>
    private const int WindowMs = 1000;

    /// <summary>Meters that are kept; and buckets, but for those that somebody has taken of.</summary>
    internal const int MetersMax = 10_000;

    private readonly IMetadataStore _metadata;
    private readonly TimeProvider _clock;
    private readonly Lock _reading = new();
    private readonly Lock _forgetting = new();
    private readonly ConcurrentDictionary<(QuotaEntity Entity, string User, string Client, string Key), QuotaMeter> _meters = new();
    private readonly ConcurrentDictionary<(QuotaEntity Entity, string User, string Client, string Key), QuotaBucket> _buckets = new();
    private volatile IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> _quotas;
    private volatile bool _measuresRequests;
    private int _metersMade;

    public ClientQuotas(IMetadataStore metadata, TimeProvider clock)
    {
        _metadata = metadata;
        _clock = clock;
        _quotas = Read();
        _measuresRequests = IsAny(Requests);
    }

    /// <summary>The values that can be set for users and client ids, by Kafka's names.</summary>
    public static IReadOnlyList<string> Keys { get; } = [Produce, Fetch, Mutations, Requests];

    /// <summary>Meters there are.</summary>
    internal int MeterCount => _meters.Count;

    /// <summary>Somebody has a quota of time, so that what requests take is of interest.</summary>
    public bool MeasuresRequests => _measuresRequests;

    public IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> All => _quotas;

    /// <summary>Counts the time that a client's request took; returns for how long the client is to be left alone, in ms.</summary>
    public int CountTime(string user, string client, TimeSpan time) => Math.Min(Count(Requests, user, client, time.TotalSeconds * 100), WindowMs);

    /// <summary>Counts a connection that an address has opened; returns after how long, in ms, it is to be closed; 0: it is not.</summary>
    public int Connect(IPAddress address)
    {
        IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> quotas = _quotas;
        if (quotas.Count == 0)
        {
            return 0;
        }

        string name = address.ToString();
        foreach (QuotaEntity entity in QuotaEntity.For(name))
        {
            if (quotas.TryGetValue(entity, out IReadOnlyDictionary<string, double>? values) && values.TryGetValue(Connections, out double perSecondMax))
            {
                return Math.Min(Meter((entity, name, "", Connections), 1, perSecondMax, isStrict: true), WindowMs);
            }
        }

        return 0;
    }

    /// <summary>Counts what a client has used; returns for how long it is to be left alone, in ms.</summary>
    public int Count(string key, string user, string client, double amount)
    {
        IReadOnlyDictionary<QuotaEntity, IReadOnlyDictionary<string, double>> quotas = _quotas;
        if (quotas.Count == 0)
        {
            return 0;
        }

        return TryFind(quotas, key, user, client, out (QuotaEntity, string, string, string) shared, out double perSecondMax) ? Meter(shared, amount, perSecondMax, isStrict: false) : 0;
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

    /// <summary>Sets values, or takes those away that are null, all in one step; complete when it is kept. What is so already is not written again. Returns what became of each.</summary>
    /// <exception cref="IOException">It could not be kept.</exception>
    public async ValueTask<IReadOnlyList<PutOutcome>> AlterAsync(IReadOnlyList<QuotaChange> changes)
    {
        while (true)
        {
            var outcomes = new List<PutOutcome>();
            var altered = new Dictionary<string, (long Revision, ReadOnlyMemory<byte>? Before, ReadOnlyMemory<byte>? After)>(StringComparer.Ordinal);
            foreach (QuotaChange change in changes)
            {
                string key = change.Entity.Key;
                if (!altered.TryGetValue(key, out var entry))
                {
                    MetadataEntry? found = _metadata.Get(key);
                    entry = (found?.ModRevision ?? 0, found?.Value, found?.Value);
                }

                ReadOnlyMemory<byte>? after = Apply(entry.After, change.Values);
                outcomes.Add(IsSame(entry.After, after) ? PutOutcome.Unchanged : entry.After is null ? PutOutcome.Created : PutOutcome.Changed);
                altered[key] = entry with { After = after };
            }

            var transaction = new MetadataTransaction(
                [.. altered.Select(static entry => new MetadataCondition(entry.Key, entry.Value.Revision))],
                [.. altered.Where(static entry => !IsSame(entry.Value.Before, entry.Value.After)).Select(static entry => new MetadataOperation(entry.Key, entry.Value.After))]);

            // One with nothing to do ends when what was read is kept.
            if ((await _metadata.CommitAsync(transaction).ConfigureAwait(false)).Succeeded)
            {
                lock (_reading)
                {
                    // Of two changes at once, who reads last has both.
                    _quotas = Read();
                    _measuresRequests = IsAny(Requests);
                }

                return outcomes;
            }
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

    private int Meter((QuotaEntity, string, string, string) shared, double amount, double perSecondMax, bool isStrict)
    {
        long nowMs = NowMs;
        bool isNew = !_meters.TryGetValue(shared, out QuotaMeter? meter);
        meter ??= _meters.GetOrAdd(shared, static _ => new QuotaMeter());
        int throttleMs = meter.Add(amount, perSecondMax, nowMs, isStrict);
        if (isNew && Interlocked.Increment(ref _metersMade) >= MetersMax / 2)
        {
            Forget();
        }

        return throttleMs;
    }

    private bool IsAny(string key) => _quotas.Values.Any(values => values.ContainsKey(key));

    private Dictionary<QuotaEntity, IReadOnlyDictionary<string, double>> Read() =>
        _metadata.Range(QuotaEntity.AllKeys).ToDictionary(static entry => QuotaEntity.OfKey(entry.Key), static entry => Decode(entry.Value.Span));

    private static ReadOnlyMemory<byte>? Apply(ReadOnlyMemory<byte>? before, IReadOnlyDictionary<string, double?> changes)
    {
        var values = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach ((string key, double value) in before is { } encoded ? Decode(encoded.Span) : new Dictionary<string, double>())
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

        return values.Count == 0 ? default(ReadOnlyMemory<byte>?) : Encode(values);
    }

    private static bool IsSame(ReadOnlyMemory<byte>? before, ReadOnlyMemory<byte>? after) =>
        (before, after) is (null, null) || (before is { } was && after is { } becomes && was.Span.SequenceEqual(becomes.Span));

    private static byte[] Encode(SortedDictionary<string, double> values) =>
        Encoding.UTF8.GetBytes(string.Join('\n', values.Select(static pair => $"{pair.Key}={pair.Value.ToString("R", CultureInfo.InvariantCulture)}")));

    private static IReadOnlyDictionary<string, double> Decode(ReadOnlySpan<byte> bytes) =>
        Encoding.UTF8.GetString(bytes).Split('\n').Select(static line => line.Split('=')).ToDictionary(static pair => pair[0], static pair => double.Parse(pair[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    /// <summary>Leaves half of the meters that there may be, those used last: one look at all of them for so many new ones, whatever names clients give themselves.</summary>
    private void Forget()
    {
        lock (_forgetting)
        {
            if (Volatile.Read(ref _metersMade) < MetersMax / 2)
            {
                return;
            }

            Volatile.Write(ref _metersMade, 0);
            foreach ((var key, _) in _meters.ToArray().OrderByDescending(static pair => pair.Value.UsedMs).Skip(MetersMax / 2))
            {
                _meters.TryRemove(key, out _);
            }
        }
    }
}
