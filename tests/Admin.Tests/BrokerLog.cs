using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Sluice.Admin.Tests;

/// <summary>Keeps what the broker logs: errors, so that a test can fail on them, and what operators read.</summary>
internal sealed class BrokerLog : ILoggerFactory
{
    private readonly ConcurrentQueue<string> _errors = new();
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Errors => _errors;

    /// <summary>From information on, without the level; only those of Sluice itself.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName.StartsWith("Sluice", StringComparison.Ordinal));

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    private sealed class Category(BrokerLog log, bool isOurs) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= (isOurs ? LogLevel.Information : LogLevel.Error);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (isOurs && IsEnabled(logLevel))
            {
                log._lines.Enqueue(formatter(state, exception));
            }

            if (logLevel >= LogLevel.Error)
            {
                log._errors.Enqueue($"{formatter(state, exception)} {exception}");
            }
        }
    }
}
