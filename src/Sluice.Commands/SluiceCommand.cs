using System.CommandLine;
using Sluice.Commands.Client;
using Sluice.Commands.Serving;
using Sluice.Commands.Verbs;

namespace Sluice.Commands;

/// <summary>The `sluice` command and all its verbs.</summary>
public static class SluiceCommand
{
    /// <summary>Runs a command line; returns the exit code. One that is not understood gets a line that says what is wrong and where help is.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, InvocationConfiguration configuration, CancellationToken cancel = default)
    {
        ParseResult parsed = Create().Parse(arguments);
        if (arguments.Count > 0 && parsed.Errors.Count > 0)
        {
            await configuration.Error.WriteLineAsync($"sluice: {UsageError.Describe(parsed)}".AsMemory(), cancel).ConfigureAwait(false);
            return 1;
        }

        return await parsed.InvokeAsync(configuration, cancel).ConfigureAwait(false);
    }

    private static RootCommand Create()
    {
        RootCommand root = new("Sluice, a message broker") { ServeCommand.Create() };
        foreach (Command verb in ClientVerbs.Create())
        {
            root.Add(verb);
        }

        return root;
    }
}
