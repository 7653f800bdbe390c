using Sluice.Bench.Compare.Brokers;

namespace Sluice.Bench.Compare.Rows;

/// <summary>Time from process start to an open port and to a logged-in client.</summary>
internal sealed class StartRow() : Row("start", "Start to listening")
{
    public override string Run(Contest contest)
    {
        MarkdownTable table = new("", "data directory", "listening s", "client has a channel s", "memory MB");
        foreach (BrokerProcess broker in contest.Fresh())
        {
            using (broker)
            {
                List<StartTimes> existing = [];
                StartTimes first = broker.Start();
                double memory = broker.Tree.ResidentBytes() / 1048576.0;
                table.Add(broker.Name, "new", $"{first.Listening.TotalSeconds:0.00}", $"{first.Serving.TotalSeconds:0.00}", $"{memory:N0}");
                for (int round = 0; round < Math.Max(3, contest.Options.Rounds); round++)
                {
                    broker.Stop();
                    existing.Add(broker.Start());
                }

                table.Add(
                    broker.Name,
                    "existing",
                    Spread.Of(existing.Select(times => times.Listening.TotalSeconds)).ToText("0.00"),
                    Spread.Of(existing.Select(times => times.Serving.TotalSeconds)).ToText("0.00"),
                    $"{broker.Tree.ResidentBytes() / 1048576.0:N0}");
            }
        }

        return $"Asked: under 1 s.\n\n{table}";
    }
}
