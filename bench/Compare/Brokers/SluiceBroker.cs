using System.Diagnostics;
using System.Globalization;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>Sluice's own Release build with default settings, except for ports, directory and the durability promise.</summary>
internal sealed class SluiceBroker(string program, string promise, int port, string directory) : BrokerProcess(promise == "disk" ? "Sluice" : $"Sluice ({promise})", port, directory)
{
    private readonly string _program = Path.GetFullPath(program);

    public override string Settings => promise == "disk"
        ? "Sluice with its default settings: durability `disk`, a persistent message in a durable queue is confirmed once the journal that holds it was synced (fsync, gathered)."
        : $"Sluice ({promise}): the same with durability `{promise}`: confirmed once the kernel has it, so it survives the process but not the power.";

    /// <summary>The management API's port.</summary>
    public int HttpPort => Port + 1;

    protected override ProcessStartInfo Describe() => new("dotnet")
    {
        ArgumentList = { _program, "serve" },
        Environment =
        {
            ["Sluice__DataDirectory"] = Path.Combine(Directory, "data"),
            ["Sluice__Amqp__Port"] = Port.ToString(CultureInfo.InvariantCulture),
            ["Sluice__Admin__Port"] = HttpPort.ToString(CultureInfo.InvariantCulture),
            ["Sluice__Kafka__Address"] = "",
            ["Sluice__Durability"] = promise,
        },
    };
}
