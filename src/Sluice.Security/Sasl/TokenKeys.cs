using Microsoft.Extensions.Logging;

namespace Sluice.Security.Sasl;

/// <summary>
/// The keys of those who make tokens, read anew when they are old, or when a token names one that is not there: keys change. While they can't be read the
/// last ones count. Thread-safe.
/// </summary>
public sealed class TokenKeys
{
    private static readonly TimeSpan s_retryInterval = TimeSpan.FromSeconds(10);

    private readonly Func<CancellationToken, ValueTask<ReadOnlyMemory<byte>>>? _read;
    private readonly TimeSpan _maxAge;
    private readonly TimeProvider _clock;
    private readonly ILogger? _logger;
    private readonly Lock _sync = new();
    private IReadOnlyList<TokenKey> _keys;
    private Task? _reading;

    // A timestamp of the clock; 0: never.
    private long _readAt;

    /// <summary>Keys that stay.</summary>
    public TokenKeys(IReadOnlyList<TokenKey> keys)
    {
        _keys = keys;
        _clock = TimeProvider.System;
    }

    /// <param name="read">Gives a JSON Web Key Set, within a time of its own; throws IOException or FormatException if it can't.</param>
    /// <param name="maxAge">After which it is read again.</param>
    /// <param name="clock">Says how old it is.</param>
    /// <param name="logger">Hears of failures.</param>
    public TokenKeys(Func<CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read, TimeSpan maxAge, TimeProvider clock, ILogger logger)
    {
        _read = read;
        _maxAge = maxAge;
        _clock = clock;
        _logger = logger;
        _keys = [];
    }

    /// <summary>Those with which a token may have been signed.</summary>
    internal async ValueTask<IReadOnlyList<TokenKey>> FindAsync(string? id, string algorithm, CancellationToken cancellation)
    {
        if (IsOlderThan(_maxAge))
        {
            await RefreshAsync(_maxAge, cancellation).ConfigureAwait(false);
        }

        IReadOnlyList<TokenKey> found = Suiting(id, algorithm);
        if (found.Count == 0 && IsOlderThan(s_retryInterval))
        {
            await RefreshAsync(s_retryInterval, cancellation).ConfigureAwait(false);
            found = Suiting(id, algorithm);
        }

        return found;
    }

    private IReadOnlyList<TokenKey> Suiting(string? id, string algorithm) => [.. Volatile.Read(ref _keys).Where(key => key.Suits(id, algorithm))];

    private bool IsOlderThan(TimeSpan age) => _read is not null && (Volatile.Read(ref _readAt) is var at && (at == 0 || _clock.GetElapsedTime(at) > age));

    /// <summary>Waits until the keys are read. Whoever gives up does not end the reading: others wait for it.</summary>
    private Task RefreshAsync(TimeSpan age, CancellationToken cancellation)
    {
        lock (_sync)
        {
            if (!IsOlderThan(age))
            {
                return Task.CompletedTask;
            }

            _reading ??= ReadAsync();
            return _reading.WaitAsync(cancellation);
        }
    }

    private async Task ReadAsync()
    {
        // Not under the lock of who asked for it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            Volatile.Write(ref _keys, TokenKey.ReadSet(await _read!(CancellationToken.None).ConfigureAwait(false)));
        }
        catch (Exception error) when (error is IOException or FormatException)
        {
            _logger!.LogWarning("The keys for OAUTHBEARER tokens cannot be read, the last ones count: {Reason}", error.Message);
        }
        finally
        {
            lock (_sync)
            {
                // Also after a failure, so that not every token tries again at once.
                Volatile.Write(ref _readAt, _clock.GetTimestamp());
                _reading = null;
            }
        }
    }
}
