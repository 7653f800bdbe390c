using System.Diagnostics;
using System.Globalization;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>Sluice's own Release build with default settings, except for ports, directory and the durability promise.</summary>
internal sealed class SluiceBroker(string program, string promise, int port, string directory, bool withKafka = false) : BrokerProcess(promise == "disk" ? "Sluice" : $"Sluice ({promise})", port, directory), IKafkaListener
{
    private readonly string _program = Path.GetFullPath(program);

    public int KafkaPort => Port + 2;

    public override string Settings => withKafka
        ? "Sluice with its default settings: `acks=all` is answered once the journal that holds the batch was synced, `acks=1` once the kernel has it; with `flush.messages=1` both are synced."
        : promise == "disk"
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
            ["Sluice__Kafka__Address"] = withKafka ? "127.0.0.1" : "",
            ["Sluice__Kafka__Port"] = KafkaPort.ToString(CultureInfo.InvariantCulture),
            ["Sluice__Kafka__GroupInitialRebalanceDelayMs"] = "0",
            ["Sluice__Durability"] = promise,
        },
    };
}
