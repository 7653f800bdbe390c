using Sluice.Bench.Compare.Brokers;
using Sluice.Bench.Compare.Rows;

namespace Sluice.Bench.Compare;

/// <summary>The brokers that compete. Rows under load share running ones; rows about data start their own.</summary>
internal sealed class Contest : IDisposable
{
    private readonly List<BrokerProcess> _running = [];

    public Contest(CompareOptions options)
    {
        Options = options;
        foreach (string broker in options.Brokers)
        {
            if (broker is not ("rabbitmq" or "kafka" or "sluice" or "sluice-os"))
            {
                throw new ArgumentException($"There is no broker {broker}; rabbitmq, kafka, sluice, sluice-os are there.");
            }
        }

        if (Wants("rabbitmq") && Row.Chosen(options.Rows).Any(static row => !row.Name.StartsWith("kafka", StringComparison.Ordinal)) && !File.Exists(options.RabbitMq))
        {
            throw new ArgumentException($"RabbitMQ is not at {options.RabbitMq}: install it (Debian: rabbitmq-server), or choose other brokers with --brokers.");
        }

        if ((Wants("sluice") || Wants("sluice-os")) && !File.Exists(options.Sluice))
        {
            throw new ArgumentException($"Sluice is not at {options.Sluice}: build it in Release, or choose other brokers with --brokers.");
        }
    }

    public CompareOptions Options { get; }

    /// <summary>Runs Kafka and its tools; null if it is not there.</summary>
    public string? KafkaScript => Options.Peers is { } peers && Path.GetFullPath(Path.Combine(peers, "kafka", "kafka")) is var script && File.Exists(script) ? script : null;

    /// <summary>Brokers for rows under load, started on first use and left running: RabbitMQ, Sluice and, if asked, Sluice with the weaker promise.</summary>
    public IReadOnlyList<BrokerProcess> Running(bool withOs)
    {
        List<BrokerProcess> wanted = [];
        if (Wants("rabbitmq"))
        {
            wanted.Add(Started("rabbitmq", NewRabbitMq));
        }

        if (Wants("sluice"))
        {
            wanted.Add(Started("sluice", NewSluice));
        }

        if (withOs && Wants("sluice-os"))
        {
            wanted.Add(Started("sluice-os", NewSluiceOs));
        }

        return wanted;
    }

    /// <summary>Fresh brokers, not started, each with an empty data directory. Those left running are stopped first.</summary>
    public IEnumerable<BrokerProcess> Fresh()
    {
        StopAll();
        if (Wants("rabbitmq"))
        {
            yield return NewRabbitMq();
        }

        if (Wants("sluice"))
        {
            yield return NewSluice();
        }
    }

    /// <summary>Kafka and Sluice, started on first use and left running. Others that run are stopped first: they would take memory.</summary>
    public IReadOnlyList<BrokerProcess> RunningForKafka()
    {
        if (_running.Exists(static broker => broker.Directory.EndsWith("rabbitmq", StringComparison.Ordinal)))
        {
            StopAll();
        }

        List<BrokerProcess> wanted = [];
        if (Wants("kafka"))
        {
            wanted.Add(Started("kafka", NewKafka));
        }

        if (Wants("sluice"))
        {
            wanted.Add(Started("sluice-kafka", NewSluiceForKafka));
        }

        return wanted;
    }

    /// <summary>The same, not started, each with an empty data directory.</summary>
    public IEnumerable<BrokerProcess> FreshForKafka()
    {
        StopAll();
        if (Wants("kafka"))
        {
            yield return NewKafka();
        }

        if (Wants("sluice"))
        {
            yield return NewSluiceForKafka();
        }
    }

    /// <summary>Before a run that writes: fills the page cache if that was asked for.</summary>
    public void Prepare()
    {
        if (Options.FullPageCache)
        {
            Directory.CreateDirectory(Options.Work);
            Machine.FillPageCache(Path.Combine(Options.Work, "holes"));
        }
    }

    /// <summary>For the text above a table.</summary>
    public string Memory => Options.FullPageCache ? " Before each run free memory was filled with clean page cache, as on a server that has run for a while." : "";

    public void Dispose()
    {
        StopAll();
        File.Delete(Path.Combine(Options.Work, "holes"));
    }

    private bool Wants(string broker) => Options.Brokers.Count == 0 || Options.Brokers.Contains(broker);

    // Ports below the ephemeral range: a client that polls for its broker could otherwise be given the broker's port as its own and connect to itself.
    private RabbitMqBroker NewRabbitMq() => new(Options.RabbitMq, 18672, Path.Combine(Options.Work, "rabbitmq"));

    private SluiceBroker NewSluice() => new(Options.Sluice, "disk", 18682, Path.Combine(Options.Work, "sluice"));

    private SluiceBroker NewSluiceOs() => new(Options.Sluice, "os", 18692, Path.Combine(Options.Work, "sluice-os"));

    private KafkaBroker NewKafka() => new(KafkaScript!, 18702, Path.Combine(Options.Work, "kafka"));

    private SluiceBroker NewSluiceForKafka() => new(Options.Sluice, "disk", 18712, Path.Combine(Options.Work, "sluice-kafka"), withKafka: true);

    private BrokerProcess Started(string key, Func<BrokerProcess> create)
    {
        string directory = Path.Combine(Options.Work, key);
        BrokerProcess? broker = _running.Find(running => running.Directory == directory);
        if (broker is null)
        {
            broker = create();
            _running.Add(broker);
            Console.WriteLine($"starting {broker.Name}");
            broker.Start();
        }

        return broker;
    }

    private void StopAll()
    {
        foreach (BrokerProcess broker in _running)
        {
            broker.Dispose();
        }

        _running.Clear();
    }
}
