using System.Diagnostics;
using System.Text;

namespace Sluice.BlackBox;

/// <summary>
/// A Sluice server in a child process, with its own data directory and a free port. Used by every test that treats the
/// broker as a black box: the conformance tests, the real clients' tests and the crash tests.
/// </summary>
public sealed class BrokerProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60), LogTimeout = TimeSpan.FromSeconds(30);

    private readonly StringBuilder _output = new();
    private readonly string[] _arguments;
    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly bool _ownsDirectory;
    private Process? _process;
    private volatile bool _isUp;

    private BrokerProcess(string dataDirectory, bool ownsDirectory, IReadOnlyDictionary<string, string> settings)
    {
        DataDirectory = dataDirectory;
        _ownsDirectory = ownsDirectory;
        Port = FreePorts.Next();
        TlsPort = FreePorts.Next();
        AdminPort = FreePorts.Next();
        KafkaPort = FreePorts.Next();
        _settings = settings;
        _arguments = ["serve"];
    }

    /// <summary>The directory that holds the broker's data; kept across <see cref="KillAsync"/> and restart.</summary>
    public string DataDirectory { get; }

    /// <summary>The port of the AMQP listener on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The port of the AMQP listener with TLS on 127.0.0.1, which is there when the settings name a certificate.</summary>
    public int TlsPort { get; }

    /// <summary>The port of the HTTP API on 127.0.0.1.</summary>
    public int AdminPort { get; }

    /// <summary>The port of the Kafka listener on 127.0.0.1.</summary>
    public int KafkaPort { get; }

    /// <summary>The address for AMQP clients, with the default account and virtual host.</summary>
    public string Address => $"amqp://guest:guest@127.0.0.1:{Port}";

    /// <summary>The process id of the running server.</summary>
    public int ProcessId => _process?.Id ?? throw new InvalidOperationException("the broker is not running");

    /// <summary>Starts a broker on an empty data directory and waits until all its listeners are up.</summary>
    /// <param name="settings">Further settings as environment variables, e.g. <c>Sluice__Amqp__FrameMax</c>.</param>
    public static async Task<BrokerProcess> StartAsync(IReadOnlyDictionary<string, string>? settings = null)
    {
        string directory = Directory.CreateTempSubdirectory("sluice-test-").FullName;
        var broker = new BrokerProcess(directory, ownsDirectory: true, settings ?? new Dictionary<string, string>());
        await broker.RestartAsync();
        return broker;
    }

    /// <summary>Starts the server again on the same data directory and ports; it must not be running.</summary>
    public async Task RestartAsync()
    {
        if (_process is { HasExited: false })
        {
            throw new InvalidOperationException("the broker is still running");
        }

        string executable = Repository.ServerExecutable;
        if (!File.Exists(executable))
        {
            throw new FileNotFoundException($"The server is not built: {executable} is missing. Run `dotnet build -c Release` first.");
        }

        var start = new ProcessStartInfo(executable, _arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = DataDirectory,
        };
        start.Environment["Sluice__DataDirectory"] = Path.Combine(DataDirectory, "data");
        start.Environment["Sluice__Amqp__Address"] = "127.0.0.1";
        start.Environment["Sluice__Amqp__Port"] = Port.ToString();
        start.Environment["Sluice__Amqp__Tls__Address"] = "127.0.0.1";
        start.Environment["Sluice__Amqp__Tls__Port"] = TlsPort.ToString();
        start.Environment["Sluice__Admin__Port"] = AdminPort.ToString();
        start.Environment["Sluice__Kafka__Port"] = KafkaPort.ToString();
        foreach ((string key, string value) in _settings)
        {
            start.Environment[key] = value;
        }

        _isUp = false;
        Process process = Process.Start(start)!;
        process.OutputDataReceived += Capture;
        process.ErrorDataReceived += Capture;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process = process;

        long deadline = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds;
        while (!_isUp)
        {
            if (process.HasExited)
            {
                // Also waits for the last of its output.
                await process.WaitForExitAsync();
                throw new InvalidOperationException($"The broker ended with code {process.ExitCode} instead of serving:\n{Log}");
            }

            if (Environment.TickCount64 > deadline)
            {
                throw new TimeoutException($"The broker was not up within {StartTimeout}:\n{Log}");
            }

            await Task.Delay(20);
        }
    }

    /// <summary>Everything that the server has written to its standard output and error so far.</summary>
    public string Log
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Waits until a line of the log has all these words.</summary>
    public async Task LoggedAsync(params string[] words)
    {
        for (long deadline = Environment.TickCount64 + (long)LogTimeout.TotalMilliseconds; !Log.Split('\n').Any(line => words.All(word => line.Contains(word, StringComparison.Ordinal))); await Task.Delay(20))
        {
            if (Environment.TickCount64 >= deadline)
            {
                throw new TimeoutException($"No line with '{string.Join("' and '", words)}' in the broker's log within {LogTimeout}:\n{Log}");
            }
        }
    }

    /// <summary>The log lines that report an error: those a healthy broker never writes, whatever its clients do.</summary>
    public IReadOnlyList<string> ErrorLines => [.. Log.Split('\n').Where(IsError)];

    /// <summary>Ends the process at once (SIGKILL), as a crash would.</summary>
    public async Task KillAsync()
    {
        Process process = _process ?? throw new InvalidOperationException("the broker is not running");
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        _process = null;
    }

    /// <summary>Asks the process to end (SIGTERM) and waits until it has; returns its exit code.</summary>
    public async Task<int> StopAsync()
    {
        Process process = _process ?? throw new InvalidOperationException("the broker is not running");
        using (Process kill = Process.Start("kill", ["-TERM", process.Id.ToString()]))
        {
            await kill.WaitForExitAsync();
        }

        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"The broker did not end within 30 s of SIGTERM:\n{Log}");
        }

        int code = process.ExitCode;
        process.Dispose();
        _process = null;
        return code;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            await KillAsync();
        }

        if (_ownsDirectory)
        {
            Directory.Delete(DataDirectory, recursive: true);
        }
    }

    private static bool IsError(string line) =>
        line.Contains(" fail: ", StringComparison.Ordinal) || line.StartsWith("fail: ", StringComparison.Ordinal)
        || line.Contains(" crit: ", StringComparison.Ordinal) || line.StartsWith("crit: ", StringComparison.Ordinal)
        || line.Contains("Unhandled exception", StringComparison.Ordinal);

    private void Capture(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is null)
        {
            return;
        }

        lock (_output)
        {
            _output.Append(line.Data).Append('\n');
        }

        if (line.Data.Contains(" is up, data in ", StringComparison.Ordinal))
        {
            _isUp = true;
        }
    }
}
