using System.CommandLine;
using Sluice.Commands.Serving;
using Sluice.Commands.Verbs;

namespace Sluice.Commands;

/// <summary>The `sluice` command and all its verbs.</summary>
public static class SluiceCommand
{
    public static RootCommand Create()
    {
        RootCommand root = new("Sluice, a message broker") { ServeCommand.Create() };
        foreach (Command verb in ClientVerbs.Create())
        {
            root.Add(verb);
        }

        return root;
    }
}
