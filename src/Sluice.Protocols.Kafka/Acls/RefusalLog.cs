using Microsoft.Extensions.Logging;

namespace Sluice.Protocols.Kafka.Acls;

/// <summary>
/// Tells the operator what was refused to whom, without letting a client that asks again and again fill the log: each refusal once, and once a minute how often it came again.
/// Thread-safe.
/// </summary>
internal sealed class RefusalLog : IDisposable
{
    /// <summary>How long a refusal is not told of again.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    /// <summary>Different refusals that are told of in one period; of others only the number is.</summary>
    public const int KeysMax = 100;

    // Longer names are nobody's: they are told of by their beginning.
    private const int NameCharsMax = 100;

    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private readonly Dictionary<(string User, AclOperation Operation, AclResourceType Type, string Name), long> _repeats = [];
    private long _others;
    private bool _isCounting;

    public RefusalLog(ILogger logger, TimeProvider clock)
    {
        _logger = logger;
        _timer = clock.CreateTimer(static state => ((RefusalLog)state!).EndPeriod(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The user was refused the operation.</summary>
    /// <param name="user">Who.</param>
    /// <param name="address">From where.</param>
    /// <param name="operation">What.</param>
    /// <param name="type">Of what kind the resource is.</param>
    /// <param name="name">The resource.</param>
    /// <param name="reason">What refuses it, in words.</param>
    public void Add(string user, string address, AclOperation operation, AclResourceType type, string name, string reason)
    {
        string shortName = Short(name);
        lock (_lock)
        {
            if (!_isCounting)
            {
                _isCounting = true;
                _timer.Change(Period, Timeout.InfiniteTimeSpan);
            }

            var key = (user, operation, type, shortName);
            if (_repeats.TryGetValue(key, out long repeats))
            {
                _repeats[key] = repeats + 1;
                return;
            }

            if (_repeats.Count >= KeysMax)
            {
                _others++;
                return;
            }

            _repeats.Add(key, 0);
        }

        _logger.LogWarning("User '{User}' from {Address} was refused {Operation} on {Resource}: {Reason}", user, address, operation, AclWords.Resource(type, shortName), reason);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Tells what came again. What did goes on being counted, as told of; what did not is forgotten.</summary>
    private void EndPeriod()
    {
        KeyValuePair<(string User, AclOperation Operation, AclResourceType Type, string Name), long>[] again;
        long others;
        lock (_lock)
        {
            again = [.. _repeats.Where(static pair => pair.Value > 0)];
            others = _others;
            _repeats.Clear();
            _others = 0;
            foreach (var pair in again)
            {
                _repeats.Add(pair.Key, 0);
            }

            _isCounting = again.Length > 0;
            if (_isCounting)
            {
                _timer.Change(Period, Timeout.InfiniteTimeSpan);
            }
        }

        foreach (((string user, AclOperation operation, AclResourceType type, string name), long count) in again)
        {
            _logger.LogWarning("User '{User}' was refused {Operation} on {Resource} {Count} more times within a minute", user, operation, AclWords.Resource(type, name), count);
        }

        if (others > 0)
        {
            _logger.LogWarning("{Count} more operations were refused within a minute, beyond {Max} different ones that are told of", others, KeysMax);
        }
    }

    private static string Short(string name) => name.Length <= NameCharsMax ? name : string.Concat(name.AsSpan(0, NameCharsMax), "…");
}
