using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice definitions export|import: everything that was declared, in RabbitMQ's file format.</summary>
internal static class DefinitionsVerbs
{
    private static readonly Argument<FileInfo> File = new("file") { Description = "JSON file." };

    public static Command Create() => new Command("definitions", "Export and import users, virtual hosts, queues, exchanges, bindings and policies.").With(
        Invocation.Verb("export", "Write all definitions to a file.", ExportAsync).With(File).WithAdmin(),
        Invocation.Verb("import", "Take definitions in, from Sluice or RabbitMQ; what exists stays.", ImportAsync).With(File).WithAdmin());

    private static async Task<int> ExportAsync(Invocation invocation)
    {
        string path = invocation.Value(File).FullName;
        JsonNode definitions = await invocation.Admin.GetAsync(AdminClient.Path("definitions"), invocation.Cancel).ConfigureAwait(false);
        await System.IO.File.WriteAllTextAsync(path, definitions.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n", invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Definitions written to {path}. The file holds password hashes: keep it safe.", "file", path);
    }

    private static async Task<int> ImportAsync(Invocation invocation)
    {
        string path = invocation.Value(File).FullName;
        string text = await System.IO.File.ReadAllTextAsync(path, invocation.Cancel).ConfigureAwait(false);
        JsonNode? definitions;
        try
        {
            definitions = JsonNode.Parse(text);
        }
        catch (JsonException error)
        {
            throw new CommandException($"{path} is not valid JSON: {error.Message}");
        }

        await invocation.Admin.PostAsync(AdminClient.Path("definitions"), definitions ?? new JsonObject(), invocation.Cancel).ConfigureAwait(false);
        return invocation.Done($"Definitions of {path} are in force.", "imported", true);
    }
}
