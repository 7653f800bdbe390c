using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>What the broker remembers of a client instance: when it has asked and pushed, and its newest values. Guarded by the table that has it.</summary>
internal sealed class TelemetryInstance(Guid id)
{
    /// <summary>For how long one that is not heard of is remembered, at the least.</summary>
    private const int IdleMs = 60_000;

    /// <summary>And in pushes that it should have sent.</summary>
    private const int IdlePushes = 3;

    private long _askedMs;
    private long _pushedMs;
    private bool _hasAsked;
    private KafkaErrorCode _lastError;

    public Guid Id => id;

    /// <summary>As it was when it came.</summary>
    public TelemetryClient? Client { get; private set; }

    /// <summary>What it was told last.</summary>
    public RequestedMetrics? Requested { get; private set; }

    /// <summary>It has no connection.</summary>
    public bool HasEnded { get; private set; }

    public bool IsTerminating { get; private set; }

    public long UsedMs { get; set; }

    /// <summary>Of its last push with values.</summary>
    public IReadOnlyList<ClientMetric> Values { get; private set; } = [];

    public int LeftOff { get; private set; }

    /// <summary>0: never.</summary>
    public long ReceivedMs { get; private set; }

    /// <summary>The memory that its values take.</summary>
    public long KeptBytes { get; private set; }

    public bool IsExpired(long nowMs) => nowMs - UsedMs >= Math.Max(IdleMs, (long)IdlePushes * (Requested?.IntervalMs ?? 0));

    /// <summary>It is asked for this from now on, and may ask and push at once.</summary>
    public void Begin(TelemetryClient client, RequestedMetrics requested)
    {
        (Client, Requested, HasEnded, IsTerminating) = (client, requested, false, false);
        (_askedMs, _pushedMs, _hasAsked, _lastError) = (0, 0, false, KafkaErrorCode.None);
    }

    /// <summary>Its connection has ended: the next that comes is looked at afresh. Its values stay until it expires.</summary>
    public void End() => HasEnded = true;

    /// <summary>It asks what it is to push; too early, unless it has to because its push was refused for it.</summary>
    public KafkaErrorCode Ask(long nowMs)
    {
        if (nowMs - Math.Max(_askedMs, _pushedMs) < Requested!.IntervalMs && _lastError is not (KafkaErrorCode.UnknownSubscriptionId or KafkaErrorCode.UnsupportedCompressionType))
        {
            return KafkaErrorCode.ThrottlingQuotaExceeded;
        }

        (_askedMs, _hasAsked, _lastError) = (nowMs, true, KafkaErrorCode.None);
        return KafkaErrorCode.None;
    }

    /// <summary>It pushes: the first time after it has asked at any time, as clients spread their pushes, otherwise not before the interval is over; when it ends, at any time.</summary>
    public KafkaErrorCode Push(long nowMs, bool isLast)
    {
        if (IsTerminating)
        {
            return KafkaErrorCode.InvalidRequest;
        }

        IsTerminating = isLast;
        if (!_hasAsked && nowMs - _pushedMs < Requested!.IntervalMs)
        {
            return isLast ? KafkaErrorCode.None : KafkaErrorCode.ThrottlingQuotaExceeded;
        }

        (_pushedMs, _hasAsked) = (nowMs, false);
        return KafkaErrorCode.None;
    }

    /// <summary>How its push went.</summary>
    public void Pushed(KafkaErrorCode error) => _lastError = error;

    /// <summary>Takes new values in the place of all old ones; what was summed up since the last push only is added to what was there.</summary>
    public void Keep(IReadOnlyList<ClientMetric> values, int leftOff, long nowMs)
    {
        if (values.Any(static value => value.IsDelta))
        {
            Dictionary<string, double> before = Values.GroupBy(static value => value.Key, StringComparer.Ordinal).ToDictionary(static same => same.Key, static same => same.Last().Value, StringComparer.Ordinal);
            values = [.. values.Select(value => value.IsDelta ? value with { Value = value.Value + before.GetValueOrDefault(value.Key) } : value)];
        }

        (Values, LeftOff, ReceivedMs, KeptBytes) = (values, leftOff, nowMs, values.Sum(static value => value.Bytes));
    }

    /// <summary>There is no room for its values any more.</summary>
    public void Drop() => (LeftOff, Values, KeptBytes) = (LeftOff + Values.Count, [], 0);
}
