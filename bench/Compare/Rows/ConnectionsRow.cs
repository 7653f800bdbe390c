using Sluice.Bench.Compare.Brokers;
using Sluice.LoadGenerator;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Memory of idle connections, each with an open channel.</summary>
internal sealed class ConnectionsRow() : Row("connections", "Idle connections")
{
    public override string Run(Contest contest)
    {
        MarkdownTable table = new("", "connections", "memory before MB", "with them MB", "KB each", "opened per s", "broker CPU idle with them");
        foreach (BrokerProcess broker in contest.Fresh())
        {
            using (broker)
            {
                int count = broker is RabbitMqBroker ? contest.Options.ConnectionsOfRabbitMq : contest.Options.Connections;
                broker.Start();

                // The first ones pay for code and pools that all the others share.
                ManyConnections.Open(broker.Client, 50).Dispose();
                Thread.Sleep(2000);
                long before = broker.Tree.ResidentBytes();
                long started = Environment.TickCount64;
                using ManyConnections connections = ManyConnections.Open(broker.Client, count);
                double seconds = (Environment.TickCount64 - started) / 1000.0;
                Thread.Sleep(2000);
                long after = broker.Tree.ResidentBytes();
                double cpu = broker.Tree.CpuSeconds();
                Thread.Sleep(5000);
                cpu = (broker.Tree.CpuSeconds() - cpu) / 5;
                table.Add(broker.Name, $"{count:N0}", $"{before / 1048576.0:N0}", $"{after / 1048576.0:N0}", $"{(after - before) / 1024.0 / count:0.0}", $"{count / seconds:N0}", $"{cpu:P1}");
            }
        }

        return $"Asked: 10,000 connections at most 20 KB each. Memory is the broker's resident memory.\n\n{table}";
    }
}
