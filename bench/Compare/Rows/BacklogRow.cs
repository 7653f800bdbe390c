using System.Text;
using Sluice.Bench.Compare.Brokers;
using Sluice.LoadGenerator;
using Sluice.LoadGenerator.Client;

namespace Sluice.Bench.Compare.Rows;

/// <summary>A deep queue: does it slow publishers and consumers down, what memory does it take, how long does a restart with it take?</summary>
internal sealed class BacklogRow() : Row("backlog", "Backlog of 100-byte persistent messages")
{
    /// <summary>What is drained from the deep queue to take its rate, and from the shallow one to compare.</summary>
    private const long Sample = 2_000_000;

    public override string Run(Contest contest)
    {
        MarkdownTable table = new("", "messages", "measure", "empty or shallow queue", "with the backlog", "ratio");
        StringBuilder notes = new();
        foreach (BrokerProcess broker in contest.Fresh())
        {
            using (broker)
            {
                Measure(broker, broker is RabbitMqBroker ? contest.Options.BacklogOfRabbitMq : contest.Options.Backlog, contest.Options, table);
                notes.Append($"\n- {broker.Settings}");
            }
        }

        return $"""
            Asked: publish and consume within 10 % of the rates on an empty queue, at most 200 MB more memory, restart with the backlog to serving in 3 s.
            Confirms (window 1000), prefetch 1000, acknowledged every 100. *Shallow* is a queue of a twentieth of the backlog, at most {Sample:N0}.

            {table}{notes}

            """;
    }

    private static void Measure(BrokerProcess broker, long backlog, CompareOptions options, MarkdownTable table)
    {
        long sample = Math.Min(Sample, backlog / 20);
        broker.Start();
        AmqpLoadOptions load = new()
        {
            Server = broker.Client,
            BrokerProcessId = broker.ProcessId,
            QueueName = "backlog",
            BodyBytes = 100,
            Durable = true,
            Persistent = true,
            ConfirmWindow = 1000,
            Prefetch = 1000,
            AcknowledgeEvery = 100,
            IdleSeconds = 120,
        };
        AmqpLoadOptions both = load with { QueueName = "both", Seconds = options.Seconds, WarmUpSeconds = options.WarmUpSeconds };
        AmqpLoadOptions fill = load with { Consumers = 0, MessageCount = sample };
        AmqpLoadOptions drain = load with { Producers = 0, MessageCount = sample };

        AmqpLoad.Run(both);
        AmqpLoad.Run(fill);
        AmqpLoad.Run(drain);
        AmqpLoadResult shallowFill = Told(broker, "fill of an empty queue", AmqpLoad.Run(fill));
        AmqpLoadResult shallowDrain = Told(broker, "drain of a shallow queue", AmqpLoad.Run(drain));
        Thread.Sleep(2000);
        double memoryBefore = broker.Tree.ResidentBytes() / 1048576.0;

        AmqpLoadResult bulk = Told(broker, "fill to the backlog", AmqpLoad.Run(fill with { MessageCount = backlog - sample }, Progress));
        AmqpLoadResult deepFill = Told(broker, "fill at the end of it", AmqpLoad.Run(fill));
        double memoryAfter = broker.Tree.ResidentBytes() / 1048576.0;
        broker.Stop();
        StartTimes restart = broker.Start();
        double memoryRestarted = broker.Tree.ResidentBytes() / 1048576.0;
        drain = drain with { BrokerProcessId = broker.ProcessId };
        AmqpLoad.Run(both with { BrokerProcessId = broker.ProcessId }); // Not counted: compiles the code of a process that is new.
        AmqpLoadResult deepDrain = Told(broker, "drain of the deep queue", AmqpLoad.Run(drain));
        AmqpLoadResult rest = Told(broker, "drain of the rest", AmqpLoad.Run(drain with { MessageCount = backlog - deepDrain.TotalConsumed }, Progress));
        using AmqpClient control = AmqpClient.Connect(broker.Client);
        uint left = control.DeclareQueue("backlog", durable: true, passive: true).Messages;

        string count = $"{backlog:N0}";
        table.Add(broker.Name, count, "publish msg/s", $"{shallowFill.ConfirmedPerSecond:N0}", $"{deepFill.ConfirmedPerSecond:N0} (all of it {bulk.ConfirmedPerSecond:N0})", Ratio(deepFill.ConfirmedPerSecond, shallowFill.ConfirmedPerSecond));
        table.Add(broker.Name, count, "consume msg/s", $"{shallowDrain.ConsumedPerSecond:N0}", $"{deepDrain.ConsumedPerSecond:N0} (all of it {rest.ConsumedPerSecond:N0})", Ratio(deepDrain.ConsumedPerSecond, shallowDrain.ConsumedPerSecond));
        table.Add(broker.Name, count, "memory MB", $"{memoryBefore:N0}", $"{memoryAfter:N0}, restarted {memoryRestarted:N0}", $"{memoryAfter - memoryBefore:+0;-0} MB");
        table.Add(broker.Name, count, "restart to serving s", "", $"{restart.Serving.TotalSeconds:0.00}", "");
        table.Add(broker.Name, count, "left in the queue at the end", "", $"{left:N0}", "");
    }

    private static AmqpLoadResult Told(BrokerProcess broker, string what, AmqpLoadResult result)
    {
        Console.WriteLine($"{broker.Name}, {what}:\n{AmqpLoadReport.ToText(result)}");
        return result;
    }

    private static void Progress(AmqpLoadProgress progress)
    {
        if ((int)progress.Seconds % 30 == 0)
        {
            Console.WriteLine(AmqpLoadReport.ToText(progress));
        }
    }
}
