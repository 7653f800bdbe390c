using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Memory at rest and with many partitions, and how long the start takes then.</summary>
internal sealed class KafkaMemoryRow() : Row("kafka-memory", "Kafka: memory, many partitions")
{
    private const int PartitionsOfTopic = 1000;

    public override string Run(Contest contest)
    {
        if (KafkaTools.Find(contest) is not { } tools)
        {
            return KafkaTools.Skipped;
        }

        MarkdownTable table = new("", "memory at rest MB", "partitions", "memory with them MB", "start with them: listening s");
        foreach (BrokerProcess broker in contest.FreshForKafka())
        {
            using (broker)
            {
                broker.Start();
                double rest = broker.Tree.ResidentBytes() / 1048576.0;
                for (int i = 0; i < contest.Options.Partitions / PartitionsOfTopic; i++)
                {
                    tools.CreateTopic(broker, $"many-{i}", PartitionsOfTopic);
                }

                double with = broker.Tree.ResidentBytes() / 1048576.0;
                broker.Stop();
                StartTimes again = broker.Start();
                table.Add(broker.Name, $"{rest:N0}", $"{contest.Options.Partitions:N0}", $"{with:N0}", $"{again.Listening.TotalSeconds:0.00}");
            }
        }

        return $"Asked: at most 80 MB at rest; 10,000 partitions cost no more than 100 MB and restart in 5 s. Memory under load is in the row of producing.\n\n{table}";
    }
}
