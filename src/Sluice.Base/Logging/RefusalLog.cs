using Microsoft.Extensions.Logging;

namespace Sluice.Base.Logging;

/// <summary>Limits of every <see cref="RefusalLog{TRefusal}"/>.</summary>
public static class RefusalLog
{
    /// <summary>How long a refusal is not told of again.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    /// <summary>Different refusals that are told of in one period; of others only the number is.</summary>
    public const int KeysMax = 100;

    /// <summary>Those among them that come from one address or user, who can make up as many as they like.</summary>
    public const int KeysOfOneMax = 10;
}

/// <summary>
/// Tells the operator what was refused to whom, without letting a client that tries again and again fill the log: each refusal once, by a line of whoever refuses, and once a minute
/// how often it came again. Thread-safe.
/// </summary>
/// <typeparam name="TRefusal">What is refused; equal ones are told of together.</typeparam>
public sealed class RefusalLog<TRefusal> : IDisposable
    where TRefusal : struct, IRefusal, IEquatable<TRefusal>
{
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private readonly Dictionary<TRefusal, long> _repeats = [];

    // Who has any of these: how many, and how often there were others, for which it has no room.
    private readonly Dictionary<string, (int Keys, long Others)> _origins = [];
    private long _others;
    private bool _isCounting;

    /// <param name="logger">Hears of what came again.</param>
    /// <param name="clock">Ends the periods.</param>
    public RefusalLog(ILogger logger, TimeProvider clock)
    {
        _logger = logger;
        _timer = clock.CreateTimer(static state => ((RefusalLog<TRefusal>)state!).EndPeriod(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Counts a refusal. True: it is to be told of now, by the caller, who need not look for words before. False: it will be, with those that are the same.</summary>
    public bool IsNews(in TRefusal refusal)
    {
        lock (_lock)
        {
            if (!_isCounting)
            {
                _isCounting = true;
                _timer.Change(RefusalLog.Period, Timeout.InfiniteTimeSpan);
            }

            if (_repeats.TryGetValue(refusal, out long repeats))
            {
                _repeats[refusal] = repeats + 1;
                return false;
            }

            string origin = refusal.Origin;
            (int keys, long others) = _origins.GetValueOrDefault(origin);
            if (keys >= RefusalLog.KeysOfOneMax)
            {
                _origins[origin] = (keys, others + 1);
                return false;
            }

            if (_repeats.Count >= RefusalLog.KeysMax)
            {
                _others++;
                return false;
            }

            Add(refusal, origin);
            return true;
        }
    }

    /// <summary>Tells what was not told of yet, so that the log has everything.</summary>
    public void Dispose()
    {
        EndPeriod();
        _timer.Dispose();
    }

    private void Add(in TRefusal refusal, string origin)
    {
        (int keys, long others) = _origins.GetValueOrDefault(origin);
        _origins[origin] = (keys + 1, others);
        _repeats.Add(refusal, 0);
    }

    /// <summary>Tells what came again. What did goes on being counted, as told of; what did not is forgotten.</summary>
    private void EndPeriod()
    {
        KeyValuePair<TRefusal, long>[] again;
        KeyValuePair<string, (int Keys, long Others)>[] beyond;
        long others;
        lock (_lock)
        {
            again = [.. _repeats.Where(static pair => pair.Value > 0)];
            beyond = [.. _origins.Where(static pair => pair.Value.Others > 0)];
            others = _others;
            _repeats.Clear();
            _origins.Clear();
            _others = 0;
            foreach (KeyValuePair<TRefusal, long> pair in again)
            {
                Add(pair.Key, pair.Key.Origin);
            }

            _isCounting = again.Length > 0;
            if (_isCounting)
            {
                _timer.Change(RefusalLog.Period, Timeout.InfiniteTimeSpan);
            }
        }

        foreach ((TRefusal refusal, long count) in again)
        {
            refusal.LogAgain(_logger, count);
        }

        foreach ((string origin, (_, long count)) in beyond)
        {
            _logger.LogWarning("{Origin}: {Count} more {Things} were refused within a minute, beyond {Max} different ones that are told of", origin, count, TRefusal.Things, RefusalLog.KeysOfOneMax);
        }

        if (others > 0)
        {
            _logger.LogWarning("{Count} more {Things} were refused within a minute, beyond {Max} different ones that are told of", others, TRefusal.Things, RefusalLog.KeysMax);
        }
    }
}
