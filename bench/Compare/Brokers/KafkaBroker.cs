using System.Diagnostics;
using System.Globalization;

namespace Sluice.Bench.Compare.Brokers;

/// <summary>Apache Kafka, one node, with default settings but for what one node needs; its controller takes the next port.</summary>
/// <param name="script">Runs Kafka's classes and tools.</param>
/// <param name="port">Of its clients.</param>
/// <param name="directory">For all it writes.</param>
internal sealed class KafkaBroker(string script, int port, string directory) : BrokerProcess("Kafka", port, directory), IKafkaListener
{
    private const string ClusterId = "AAAAAAAAAAAAAAAAAAAAAA";

    public int KafkaPort => Port;

    public override string Settings =>
        "Kafka with its default settings and a heap of 1 GB: nothing is synced before it is acknowledged, whatever `acks` (one node has no replica to wait for), unless the topic has `flush.messages=1`.";

    protected override ProcessStartInfo Describe()
    {
        string config = Path.Combine(Directory, "server.properties");
        File.WriteAllLines(
            config,
            [
                "process.roles=broker,controller",
                "node.id=1",
                Line($"controller.quorum.voters=1@127.0.0.1:{Port + 1}"),
                Line($"listeners=PLAINTEXT://127.0.0.1:{Port},CONTROLLER://127.0.0.1:{Port + 1}"),
                "controller.listener.names=CONTROLLER",
                $"log.dirs={Path.Combine(Directory, "data")}",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
            ]);
        if (!File.Exists(Path.Combine(Directory, "data", "meta.properties")))
        {
            using Process format = Process.Start(new ProcessStartInfo(script) { ArgumentList = { "class", "kafka.tools.StorageTool", "format", "-t", ClusterId, "-c", config }, RedirectStandardOutput = true })!;
            format.StandardOutput.ReadToEnd();
            format.WaitForExit();
        }

        return new ProcessStartInfo(script) { ArgumentList = { "class", "kafka.Kafka", config } };
    }

    /// <summary>It opens its port when it can serve.</summary>
    protected override bool Serves() => true;

    private static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A broker that Kafka's clients can use.</summary>
internal interface IKafkaListener
{
    int KafkaPort { get; }
}
