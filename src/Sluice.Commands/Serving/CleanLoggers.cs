using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;

namespace Sluice.Commands.Serving;

/// <summary>
/// Loggers whose lines are one line each, of bounded length, and harmless to a terminal, whatever texts of clients are in them (<see cref="LogText"/>). Exceptions come as part of the text,
/// as their messages may have such texts too.
/// </summary>
/// <param name="inner">Writes the lines; disposed with this.</param>
internal sealed class CleanLoggers(ILoggerFactory inner) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new CleanLogger(inner.CreateLogger(categoryName));

    public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

    public void Dispose() => inner.Dispose();

    private sealed class CleanLogger(ILogger logger) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logger.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logger.IsEnabled(logLevel))
            {
                string message = formatter(state, exception);
                string line = LogText.Clean(LogText.Cut(exception is null ? message : $"{message} {exception}", LogText.LineCharsMax));
                logger.Log(logLevel, eventId, line, exception: null, static (text, _) => text);
            }
        }
    }
}
