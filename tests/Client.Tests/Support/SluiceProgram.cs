using System.Diagnostics;
using Sluice.BlackBox;

namespace Sluice.Client.Tests.Support;

/// <summary>The sluice command, run to its end.</summary>
internal static class SluiceProgram
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    public static async Task<(int Code, string Output, string Error)> RunAsync(string input, params string[] arguments)
    {
        var start = new ProcessStartInfo(Repository.ServerExecutable, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(s_patience);
        await process.WaitForExitAsync(patience.Token);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>As <see cref="RunAsync"/>, of a command that must succeed; returns what it printed.</summary>
    public static async Task<string> OkAsync(string input, params string[] arguments)
    {
        (int code, string output, string error) = await RunAsync(input, arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)}: exit code {code}: {error}{output}");
        return output;
    }
}
