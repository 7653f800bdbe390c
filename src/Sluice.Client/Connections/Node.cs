namespace Sluice.Client.Connections;

/// <summary>A broker and the connection to it for one purpose, which is made when it is first wanted and again when it broke. Thread-safe.</summary>
internal sealed class Node(int id, BrokerAddress address, Connector connector, KafkaClientOptions options, Action changed) : IAsyncDisposable
{
    private readonly Lock _sync = new();
    private readonly CancellationTokenSource _closing = new();
    private KafkaConnection? _connection;
    private Task<KafkaConnection>? _connecting;
    private KafkaClientException? _failure;
    private long _failedAt;
    private bool _isAwaited;
    private int _failures;
    private long _notBefore;

    public int Id => id;

    public BrokerAddress Address => address;

    /// <summary>The connection if there is a sound one.</summary>
    public KafkaConnection? Connection
    {
        get
        {
            KafkaConnection? connection = Volatile.Read(ref _connection);
            return connection is { IsBroken: false } ? connection : null;
        }
    }

    /// <summary>Whether the last attempt failed and its pause is not over.</summary>
    public bool IsPausing
    {
        get
        {
            lock (_sync)
            {
                return _failures > 0 && options.Time.GetTimestamp() < _notBefore;
            }
        }
    }

    /// <summary>The connection if there is one; else begins to make one, and tells when that has ended.</summary>
    /// <param name="failure">Why the one that was begun before could not be made; said once, and not if it is older than an attempt may take; if trying again would not help, none is begun this time.</param>
    public KafkaConnection? TryGet(out KafkaClientException? failure)
    {
        failure = null;
        if (Connection is { } connection)
        {
            return connection;
        }

        lock (_sync)
        {
            // Nobody may have asked since, for hours.
            bool isOld = options.Time.GetElapsedTime(_failedAt) > options.ConnectTimeout;
            (failure, _failure) = (isOld ? null : _failure, null);
            if (failure is { IsRetriable: false })
            {
                return null;
            }

            _isAwaited = true;
        }

        Begin();
        return null;
    }

    /// <summary>The connection, which is made if need be.</summary>
    /// <exception cref="KafkaClientException">It can't be made.</exception>
    public Task<KafkaConnection> GetAsync(CancellationToken cancel) => Connection is { } connection ? Task.FromResult(connection) : Begin().WaitAsync(cancel);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        Task<KafkaConnection>? connecting;
        lock (_sync)
        {
            connecting = _connecting;
        }

        if (connecting is not null)
        {
            await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (_connection is not null)
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
        }

        _closing.Dispose();
    }

    /// <summary>Who needs the connection is told that the attempt is over, asks again, and learns how it went then.</summary>
    private async Task TellAsync(Task connecting)
    {
        await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        changed();
    }

    private Task<KafkaConnection> Begin()
    {
        lock (_sync)
        {
            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            if (Connection is { } connection)
            {
                return Task.FromResult(connection);
            }

            if (_connecting is not { IsCompleted: false })
            {
                _connecting = ConnectAsync();
                _ = TellAsync(_connecting);
            }

            return _connecting;
        }
    }

    private async Task<KafkaConnection> ConnectAsync()
    {
        // Off the caller's stack, who holds the lock.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            TimeSpan pause = options.Time.GetElapsedTime(options.Time.GetTimestamp(), _notBefore);
            if (_failures > 0 && pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, options.Time, _closing.Token).ConfigureAwait(false);
            }

            KafkaConnection? old = _connection;
            KafkaConnection connection = await connector.ConnectAsync(address, _closing.Token).ConfigureAwait(false);
            lock (_sync)
            {
                _failures = 0;
                _failure = null;
                _isAwaited = false;
                _connection = connection;
            }

            if (old is not null)
            {
                await old.DisposeAsync().ConfigureAwait(false);
            }

            return connection;
        }
        catch (KafkaClientException error)
        {
            lock (_sync)
            {
                // Who asks by and by is not to hear of what was long ago.
                _failure = _isAwaited ? error : null;
                _isAwaited = false;
                _failures++;
                _failedAt = options.Time.GetTimestamp();
                _notBefore = _failedAt + (long)(options.Backoff(_failures).TotalSeconds * options.Time.TimestampFrequency);
            }

            throw;
        }
    }
}
