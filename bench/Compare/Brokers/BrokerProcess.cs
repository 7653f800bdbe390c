using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Sluice.LoadGenerator;
using Sluice.LoadGenerator.Client;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>A broker that the comparison starts and stops as a process of its own, on a data directory of its own.</summary>
internal abstract partial class BrokerProcess(string name, int port, string directory) : IDisposable
{
    private const int SigTerm = 15;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromMinutes(5);
    private Process? _process;

    public string Name { get; } = name;

    public int Port { get; } = port;

    /// <summary>Everything the broker writes is below this.</summary>
    public string Directory { get; } = directory;

    /// <summary>One line on version and durability for the page.</summary>
    public abstract string Settings { get; }

    public int ProcessId => _process?.Id ?? throw new InvalidOperationException($"{Name} is not running.");

    public bool IsRunning => _process is { HasExited: false };

    public ProcessTree Tree => new(ProcessId);

    public AmqpClientOptions Client => new() { Port = Port, ConnectionName = "sluice compare", TimeoutMs = 300_000 };

    /// <summary>Starts it on whatever its directory holds. Returns how long it took until a client was logged in and had a channel.</summary>
    public StartTimes Start()
    {
        System.IO.Directory.CreateDirectory(Directory);
        ProcessStartInfo info = Describe();
        info.RedirectStandardOutput = true;
        info.RedirectStandardError = true;
        info.WorkingDirectory = Directory;
        Stopwatch watch = Stopwatch.StartNew();
        _process = Process.Start(info)!;
        StreamWriter output = File.AppendText(Path.Combine(Directory, "output.txt"));
        _process.OutputDataReceived += (_, line) => WriteLine(output, line.Data);
        _process.ErrorDataReceived += (_, line) => WriteLine(output, line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        TimeSpan listening = TimeSpan.Zero;
        while (watch.Elapsed < StartTimeout)
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"{Name} ended with code {_process.ExitCode} while starting:\n{string.Join("\n", File.ReadLines(Path.Combine(Directory, "output.txt")).TakeLast(20))}");
            }

            if (listening == TimeSpan.Zero && Listens())
            {
                listening = watch.Elapsed;
            }

            if (listening != TimeSpan.Zero && Serves())
            {
                return new StartTimes(listening, watch.Elapsed);
            }

            Thread.Sleep(2);
        }

        throw new TimeoutException($"{Name} did not serve within {StartTimeout}.");
    }

    /// <summary>Asks it to stop and waits until it has.</summary>
    public void Stop()
    {
        if (_process is null)
        {
            return;
        }

        IReadOnlyList<int> members = Tree.Members();
        if (!_process.HasExited)
        {
            SendSignal(ProcessToSignal(), SigTerm);
            if (!_process.WaitForExit(StopTimeout))
            {
                _process.Kill(entireProcessTree: true);
            }
        }

        _process.WaitForExit();
        SpinWait.SpinUntil(() => !members.Any(id => System.IO.Directory.Exists($"/proc/{id}")), StopTimeout);
        _process.Dispose();
        _process = null;
        Stopped();
    }

    /// <summary>Stops it and removes its data.</summary>
    public void Dispose()
    {
        Stop();
        if (System.IO.Directory.Exists(Directory))
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }

    protected abstract ProcessStartInfo Describe();

    /// <summary>The process of the tree that understands SIGTERM as a request to stop in order.</summary>
    protected virtual int ProcessToSignal() => ProcessId;

    /// <summary>Cleans up what outlives the process.</summary>
    protected virtual void Stopped()
    {
    }

    /// <summary>Whether a client gets in.</summary>
    protected virtual bool Serves()
    {
        try
        {
            using AmqpClient client = AmqpClient.Connect(Client with { TimeoutMs = 10_000 });
            return true;
        }
        catch (Exception error) when (error is AmqpUnreachableException or AmqpClosedException)
        {
            return false;
        }
    }

    private bool Listens()
    {
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect("127.0.0.1", Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static void SendSignal(int process, int signal)
    {
        if (Kill(process, signal) != 0)
        {
            throw new InvalidOperationException($"Process {process} could not be signalled (errno {Marshal.GetLastPInvokeError()}).");
        }
    }

    private static void WriteLine(StreamWriter output, string? line)
    {
        lock (output)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}

/// <summary>Time from starting the process until its port took connections, and until a client had logged in.</summary>
internal readonly record struct StartTimes(TimeSpan Listening, TimeSpan Serving);
