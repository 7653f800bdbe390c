using System.CommandLine;
using System.CommandLine.Parsing;
using Sluice.Commands.Client;
using Sluice.Commands.Serving;
using Sluice.Commands.Verbs;

namespace Sluice.Commands;

/// <summary>The `sluice` command and all its verbs.</summary>
public static class SluiceCommand
{
    private static readonly string[] HelpNames = ["--help", "-h", "-?"];

    /// <summary>Runs a command line; returns the exit code. One that is not understood gets a line that says what is wrong and where help is.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, InvocationConfiguration configuration, CancellationToken cancel = default)
    {
        RootCommand root = Create();
        ParseResult parsed = root.Parse(arguments);
        if (UsageError.Swallowed(parsed, arguments, HelpNames) is not null)
        {
            parsed = root.Parse([.. Names(parsed.CommandResult), HelpNames[0]]);
        }

        if (arguments.Count > 0 && (parsed.Errors.Count > 0 || UsageError.Swallowed(parsed, arguments) is not null))
        {
            await configuration.Error.WriteLineAsync($"sluice: {UsageError.Describe(parsed, arguments)}".AsMemory(), cancel).ConfigureAwait(false);
            return 1;
        }

        return await parsed.InvokeAsync(configuration, cancel).ConfigureAwait(false);
    }

    private static IEnumerable<string> Names(CommandResult result) => result.Parent is CommandResult parent ? [.. Names(parent), result.Command.Name] : [];

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
