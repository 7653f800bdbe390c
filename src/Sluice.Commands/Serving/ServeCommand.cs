using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Sluice.Hosting;
using Sluice.Hosting.Configuration;

namespace Sluice.Commands.Serving;

/// <summary>`sluice serve`: runs a broker until it is asked to stop.</summary>
public static class ServeCommand
{
    private const int ExitFailed = 1;

    public static Command Create()
    {
        var config = new Option<string?>("--config") { Description = $"Settings file; without it, {SettingsReader.DefaultFile} in the working directory if there is one", HelpName = "FILE" };
        var data = new Option<string?>("--data") { Description = "Data directory (DataDirectory)", HelpName = "DIRECTORY" };
        var set = new Option<string[]>("--set") { Description = "A setting, such as Amqp:Port=5673; may be given more than once", HelpName = "KEY=VALUE" };
        var command = new Command("serve", "Run the broker until Ctrl-C or SIGTERM") { config, data, set };
        command.SetAction(result =>
        {
            List<string> assignments = [.. result.GetValue(set) ?? []];
            if (result.GetValue(data) is { } directory)
            {
                assignments.Add($"{nameof(SluiceSettings.DataDirectory)}={directory}");
            }

            return RunAsync(result.GetValue(config), assignments);
        });
        return command;
    }

    private static async Task<int> RunAsync(string? config, IReadOnlyList<string> assignments)
    {
        try
        {
            SluiceSettings settings = SettingsReader.Read(config, Environment.GetEnvironmentVariables(), assignments);
            using ILoggerFactory loggers = CreateLoggers(settings.Log);
            await ServeAsync(settings, loggers).ConfigureAwait(false);
            return 0;
        }
        catch (Exception error) when (error is SettingsException or IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // Said in words for the operator by whoever threw it; where in the code it was does not help.
            await Console.Error.WriteLineAsync($"sluice: {error.Message}").ConfigureAwait(false);
            return ExitFailed;
        }
    }

    private static async Task ServeAsync(SluiceSettings settings, ILoggerFactory loggers)
    {
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);

        SluiceBroker broker = await SluiceBroker.StartAsync(settings, SluiceEnvironment.OfSystem(settings, loggers)).ConfigureAwait(false);
        await using (broker.ConfigureAwait(false))
        {
            await Console.Out.WriteLineAsync(Welcome(broker)).ConfigureAwait(false);
            await stop.Task.ConfigureAwait(false);
            await Console.Out.WriteLineAsync("sluice: stopping").ConfigureAwait(false);
            await broker.StopAsync().ConfigureAwait(false);
        }

        // The first asks to stop in good order; a second one ends the process at once.
        void OnSignal(PosixSignalContext context) => context.Cancel = stop.TrySetResult();
    }

    private static string Welcome(SluiceBroker broker)
    {
        IEnumerable<string> listeners = broker.Listeners.Select(listener => $"  {listener.Name,-6} {listener.EndPoint}");
        string version = typeof(ServeCommand).Assembly.GetName().Version?.ToString(3) ?? "";
        return $"Sluice {version} is up, data in {Path.GetFullPath(broker.Settings.DataDirectory)}, listening on{Environment.NewLine}{string.Join(Environment.NewLine, listeners)}";
    }

    private static ILoggerFactory CreateLoggers(LogSettings settings) => new CleanLoggers(LoggerFactory.Create(builder => builder
        .SetMinimumLevel(settings.Level)
        // Whoever starts the web host is told by an exception why it cannot start, and says so in a line.
        .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
        .AddFilter("Microsoft", settings.Level < LogLevel.Warning ? LogLevel.Warning : settings.Level)
        .AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            console.ColorBehavior = LoggerColorBehavior.Default;
        })
        // A pipe that nobody reads must not stop the threads that log, which serve connections: lines are dropped instead, and counted.
        .Services.Configure<ConsoleLoggerOptions>(console => console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite)));
}
