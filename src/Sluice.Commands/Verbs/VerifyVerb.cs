using System.CommandLine;
using System.Text.Json.Nodes;
using Sluice.Base.Disk;
using Sluice.Commands.Client;
using Sluice.Hosting.Configuration;
using Sluice.Storage;
using Spectre.Console;

namespace Sluice.Commands.Verbs;

/// <summary>sluice verify: reads a data directory that no broker uses, and checks every checksum and index in it.</summary>
internal static class VerifyVerb
{
    private static readonly Argument<string?> DataDirectory = new("directory") { Description = "Data directory; the configured one when not given.", Arity = ArgumentArity.ZeroOrOne };

    public static Command Create() => Invocation.Verb("verify", "Check a data directory offline. Changes nothing. Exit code 1 when records are damaged.", invocation => Task.FromResult(Run(invocation)))
        .With(DataDirectory, ServerOptions.Json);

    private static int Run(Invocation invocation)
    {
        string directory = Path.GetFullPath(invocation.Value(DataDirectory) ?? ConfiguredDirectory());
        if (!Directory.Exists(directory))
        {
            throw new CommandException($"There is no directory {directory}. Give the data directory as an argument, or set DataDirectory (Sluice__DataDirectory in the environment).");
        }

        if (!Directory.Exists(Path.Combine(directory, "journal")))
        {
            throw new CommandException($"{directory} is no data directory of a broker: it holds no journal.");
        }

        IReadOnlyList<VerifyFinding> findings;
        long checkedBytes = 0;
        using (ProgressLine progress = invocation.Progress())
        {
            try
            {
                findings = StoreVerifier.Verify(new LogStoreOptions(), new SystemDisk(directory), Report, invocation.Cancel);
            }
            catch (DiskLockedException)
            {
                throw new CommandException($"A broker uses {directory}: stop it first, or verify a copy.");
            }

            void Report(VerifyProgress at)
            {
                checkedBytes = at.BytesDone;
                progress.Show($"{at.BytesDone / 1048576.0:N0} of {at.BytesTotal / 1048576.0:N0} MB checked, {at.File}");
            }
        }

        bool isDamaged = findings.Any(finding => finding.Severity == VerifySeverity.Error);
        if (invocation.Json)
        {
            invocation.Print(new JsonObject
            {
                ["directory"] = directory,
                ["checkedBytes"] = checkedBytes,
                ["damaged"] = isDamaged,
                ["findings"] = new JsonArray([.. findings.Select(finding => new JsonObject
                {
                    ["file"] = finding.File,
                    ["position"] = finding.Position,
                    ["severity"] = finding.Severity.ToString().ToLowerInvariant(),
                    ["what"] = finding.What,
                    ["advice"] = finding.Advice,
                })]),
            });
            return isDamaged ? 1 : 0;
        }

        if (findings.Count > 0)
        {
            Table table = new() { Border = TableBorder.Minimal };
            table.AddColumns("severity", "file", "position", "what", "advice");
            foreach (VerifyFinding finding in findings)
            {
                table.AddRow(
                    new Text(finding.Severity.ToString().ToLowerInvariant()), new Text(finding.File), new Text(finding.Position < 0 ? "" : $"{finding.Position}"), new Text(finding.What), new Text(finding.Advice));
            }

            invocation.Console().Write(table);
        }

        invocation.Out.WriteLine(isDamaged ? $"{directory} is damaged." : $"{directory} is sound: {checkedBytes / 1048576.0:N1} MB of logs and journal checked, and the snapshot.");
        return isDamaged ? 1 : 0;
    }

    private static string ConfiguredDirectory()
    {
        try
        {
            return SettingsReader.Read(null, Environment.GetEnvironmentVariables(), []).DataDirectory;
        }
        catch (SettingsException error)
        {
            throw new CommandException(error.Message);
        }
    }
}
