using System.Diagnostics;
using System.Text;
using Sluice.BlackBox;

namespace Sluice.Client.Tests.Support;

/// <summary>The sluice command: run to its end, or fed with lines one by one while it runs.</summary>
internal sealed class SluiceProgram : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly StringBuilder _error = new();

    private SluiceProgram(string[] arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Repository.ServerExecutable, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                lock (_error)
                {
                    _error.Append(text).Append('\n');
                }
            }
        };
        _process.BeginErrorReadLine();
        _output = _process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>What it has said on standard error so far.</summary>
    public string Error
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Begins to run it; its standard input stays open.</summary>
    public static SluiceProgram Start(params string[] arguments) => new(arguments, new Dictionary<string, string>());

    /// <summary>Begins to run it with variables of the environment.</summary>
    public static SluiceProgram Start(IReadOnlyDictionary<string, string> environment, params string[] arguments) => new(arguments, environment);

    public static async Task<(int Code, string Output, string Error)> RunAsync(string input, params string[] arguments)
    {
        using SluiceProgram program = Start(arguments);
        await program._process.StandardInput.WriteAsync(input);
        return await program.EndAsync();
    }

    /// <summary>As <see cref="RunAsync"/>, of a command that must succeed; returns what it printed.</summary>
    public static async Task<string> OkAsync(string input, params string[] arguments)
    {
        (int code, string output, string error) = await RunAsync(input, arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)}: exit code {code}: {error}{output}");
        return output;
    }

    /// <summary>Gives it a line.</summary>
    public async Task WriteLineAsync(string line)
    {
        await _process.StandardInput.WriteAsync($"{line}\n");
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for its end, without giving it more.</summary>
    public async Task<(int Code, string Output, string Error)> ExitAsync()
    {
        using var patience = new CancellationTokenSource(s_patience);
        await _process.WaitForExitAsync(patience.Token);
        return (_process.ExitCode, await _output, Error);
    }

    /// <summary>Ends its input and waits for its end.</summary>
    public Task<(int Code, string Output, string Error)> EndAsync()
    {
        _process.StandardInput.Close();
        return ExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
