using System.CommandLine;
using Sluice.Commands.Serving;

namespace Sluice.Commands;

/// <summary>The `sluice` command and all its verbs.</summary>
public static class SluiceCommand
{
    public static RootCommand Create() => new("Sluice, a message broker")
    {
        ServeCommand.Create(),
    };
}
