using System.Diagnostics;
using System.Globalization;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>RabbitMQ as its distribution ships it, with default settings, no plugins, on ports of its own.</summary>
internal sealed class RabbitMqBroker(string executable, int port, string directory) : BrokerProcess("RabbitMQ", port, directory)
{
    public override string Settings =>
        "RabbitMQ with its default settings: classic queues; a persistent message in a durable queue is confirmed once it was synced to disk (fsync, gathered) or acknowledged by a consumer.";

    protected override ProcessStartInfo Describe()
    {
        File.WriteAllText(Path.Combine(Directory, "plugins"), "[].\n");
        ProcessStartInfo info = new(executable);
        foreach ((string name, string value) in Environment())
        {
            info.Environment[name] = value;
        }

        return info;
    }

    /// <summary>The script waits for the virtual machine, which is the one that stops in order.</summary>
    protected override int ProcessToSignal()
    {
        foreach (string directory in System.IO.Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out int id) && IsOurs(id))
            {
                return id;
            }
        }

        return ProcessId;
    }

    /// <summary>Erlang's port mapper stays behind; it is ours, on a port of our own.</summary>
    protected override void Stopped()
    {
        ProcessStartInfo info = new("epmd") { ArgumentList = { "-port", EpmdPort, "-kill" }, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process? kill = Process.Start(info);
        kill?.WaitForExit();
    }

    private string EpmdPort => (Port + 2).ToString(CultureInfo.InvariantCulture);

    private bool IsOurs(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/comm").Trim() == "beam.smp"
                && File.ReadAllText($"/proc/{id}/cmdline").Split('\0').SkipWhile(word => word != "-epmd_port").Skip(1).FirstOrDefault() == EpmdPort;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private IEnumerable<(string Name, string Value)> Environment() =>
    [
        ("HOME", Directory),
        ("RABBITMQ_NODENAME", "compare@localhost"),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1"),
        ("RABBITMQ_NODE_PORT", Port.ToString(CultureInfo.InvariantCulture)),
        ("RABBITMQ_DIST_PORT", (Port + 1).ToString(CultureInfo.InvariantCulture)),
        ("ERL_EPMD_PORT", EpmdPort),
        ("RABBITMQ_MNESIA_BASE", Path.Combine(Directory, "mnesia")),
        ("RABBITMQ_LOG_BASE", Path.Combine(Directory, "log")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", Path.Combine(Directory, "plugins")),
        ("RABBITMQ_CONFIG_FILE", Path.Combine(Directory, "rabbitmq")),
        ("RABBITMQ_PID_FILE", Path.Combine(Directory, "pid")),
    ];
}
