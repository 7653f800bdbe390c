using Sluice.Bench.Compare.Brokers;
using Sluice.LoadGenerator;
using Sluice.LoadGenerator.Client;

namespace Sluice.Bench.Compare.Rows;

/// <summary>What durable idle queues cost: to declare, in memory, at restart.</summary>
internal sealed class QueuesRow() : Row("queues", "Durable idle queues")
{
    public override string Run(Contest contest)
    {
        MarkdownTable table = new("", "queues", "declared per s", "resident memory KB each", "managed memory KB each", "restart to serving s", "after restart KB each resident");
        foreach (BrokerProcess broker in contest.Fresh())
        {
            using (broker)
            {
                int count = broker is RabbitMqBroker ? contest.Options.QueuesOfRabbitMq : contest.Options.Queues;
                broker.Start();
                using (AmqpClient warm = AmqpClient.Connect(broker.Client))
                {
                    ManyQueues.Declare(warm, "warm", 100, durable: true);
                    ManyQueues.Delete(warm, "warm", 100);
                }

                long idle = broker.Tree.ResidentBytes();
                double? managedBefore = ManagedBytes(broker);
                long started = Environment.TickCount64;
                using (AmqpClient client = AmqpClient.Connect(broker.Client))
                {
                    ManyQueues.Declare(client, "idle", count, durable: true);
                }

                double seconds = (Environment.TickCount64 - started) / 1000.0;
                Thread.Sleep(3000);
                long with = broker.Tree.ResidentBytes();
                double? managedAfter = ManagedBytes(broker);
                broker.Stop();
                StartTimes restart = broker.Start();
                Thread.Sleep(3000);
                long again = broker.Tree.ResidentBytes();
                table.Add(
                    broker.Name,
                    $"{count:N0}",
                    $"{count / seconds:N0}",
                    $"{(with - idle) / 1024.0 / count:0.00}",
                    managedAfter - managedBefore is { } managed ? $"{managed / 1024 / count:0.00}" : "–",
                    $"{restart.Serving.TotalSeconds:0.0}",
                    $"{(again - idle) / 1024.0 / count:0.00}");
            }
        }

        return $"Asked: 100,000 queues at most 1 KB of managed memory each, restart in 10 s.\n\n{table}";
    }

    /// <summary>Bytes that live on Sluice's managed heap after a collection, as its metrics tell; null for other brokers.</summary>
    private static double? ManagedBytes(BrokerProcess broker) => broker is SluiceBroker sluice ? SluiceMetrics.LiveManagedBytes(sluice) : null;
}
