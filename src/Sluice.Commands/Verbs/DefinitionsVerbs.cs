using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Commands.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice definitions export|import: everything that was declared, in RabbitMQ's file format.</summary>
internal static class DefinitionsVerbs
{
    /// <summary>Instead of a file: standard output or input.</summary>
    private const string Standard = "-";

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly Argument<string> To = new("file") { Description = "JSON file to make, which only its owner may read; - is standard output." };
    private static readonly Argument<string> From = new("file") { Description = "JSON file; - is standard input." };

    public static Command Create() => new Command("definitions", "Export and import users, virtual hosts, queues, exchanges, bindings, policies, and topics, access list, quotas and configurations of Kafka clients.").With(
        Invocation.Verb("export", "Write all definitions to a file.", ExportAsync).With(To).WithAdmin(),
        Invocation.Verb("import", "Take definitions in, from Sluice or RabbitMQ. Queues, exchanges, bindings and topics that exist stay; users, with their passwords, permissions, policies and quotas become those of the file.", ImportAsync).With(From).WithAdmin());

    private static async Task<int> ExportAsync(Invocation invocation)
    {
        JsonNode definitions = await invocation.Admin.GetAsync(AdminClient.Path("definitions"), invocation.Cancel).ConfigureAwait(false);
        if (invocation.Value(To) == Standard)
        {
            invocation.Print(definitions);
            return 0;
        }

        string path = Path.GetFullPath(invocation.Value(To));
        await WriteAsync(invocation, path, definitions.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n").ConfigureAwait(false);
        return invocation.Done($"Definitions written to {path}. The file holds password hashes: keep it safe.", "file", path);
    }

    private static async Task<int> ImportAsync(Invocation invocation)
    {
        bool isStandard = invocation.Value(From) == Standard;
        string path = isStandard ? "standard input" : Path.GetFullPath(invocation.Value(From));
        string text = isStandard ? await Console.In.ReadToEndAsync(invocation.Cancel).ConfigureAwait(false) : await File.ReadAllTextAsync(path, invocation.Cancel).ConfigureAwait(false);
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

    private static async Task WriteAsync(Invocation invocation, string path, string text)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = Private;
        }

        using var file = new StreamWriter(path, options);
        if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) is var mode && (mode & ~Private) != 0)
        {
            // It was there before: its mode is somebody's decision, and it may be no ordinary file.
            await invocation.Error.WriteLineAsync($"sluice: {path} was there before, and others than its owner may use it (mode {Convert.ToString((int)mode, 8)}): 'chmod 600' changes that.".AsMemory(), invocation.Cancel).ConfigureAwait(false);
        }

        await file.WriteAsync(text.AsMemory(), invocation.Cancel).ConfigureAwait(false);
    }
}
