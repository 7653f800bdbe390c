using System.Diagnostics;
using System.Text;

namespace Sluice.Interop;

/// <summary>Runs another program to its end.</summary>
internal static class ClientProgram
{
    /// <summary>Debian's Python, which has Debian's client packages; another one earlier on the path may not.</summary>
    public const string Python = "/usr/bin/python3";

    /// <summary>Where this project's sources are, for the clients that run from there.</summary>
    public static string ProjectFolder { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../.."));

    /// <summary>Runs a program and returns what it printed; fails the test when it does not exit with 0 in time.</summary>
    public static async Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan? timeout = null, string? input = null, IReadOnlyDictionary<string, string>? environment = null, string? folder = null)
    {
        (int code, string output) = await RunForCodeAsync(program, arguments, timeout, input, environment, folder);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)} exited with {code}:\n{output}");
        return output;
    }

    /// <summary>As <see cref="RunAsync"/>, for a program that may fail; returns its exit code too.</summary>
    public static async Task<(int Code, string Output)> RunForCodeAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan? timeout = null, string? input = null, IReadOnlyDictionary<string, string>? environment = null, string? folder = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.WorkingDirectory = folder ?? ProjectFolder;
        foreach ((string key, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[key] = value;
        }

        var output = new StringBuilder();
        using Process process = Process.Start(start)!;
        void Capture(object sender, DataReceivedEventArgs line)
        {
            if (line.Data is not null)
            {
                lock (output)
                {
                    output.Append(line.Data).Append('\n');
                }
            }
        }

        process.OutputDataReceived += Capture;
        process.ErrorDataReceived += Capture;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await process.StandardInput.WriteAsync(input ?? "");
        process.StandardInput.Close();
        using var patience = new CancellationTokenSource(timeout ?? TimeSpan.FromSeconds(60));
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end in time:\n{output}");
        }

        return (process.ExitCode, output.ToString());
    }
}
