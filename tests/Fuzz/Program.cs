using Sluice.Fuzz;

// First the protocol; then one input from a file or from standard input, as fuzzers call it, or "mutate <seed> <count>" to run mutations of the seeds.
IFuzzTargets? chosen = args.FirstOrDefault() switch
{
    "amqp091" => new Amqp091Targets(),
    "kafka" => new KafkaTargets(),
    "kafka-batches" => new KafkaBatchTargets(),
    "kafka-telemetry" => new TelemetryTargets(),
    "sasl" => new SaslTargets(),
    _ => null,
};
if (chosen is null)
{
    Console.Error.WriteLine("sluice-fuzz amqp091|kafka|kafka-batches|kafka-telemetry|sasl [FILE | mutate SEED COUNT]");
    return 2;
}

using IFuzzTargets targets = chosen;
if (args is [_, "mutate", var seed, var count])
{
    await Mutations.RunAsync(targets, int.Parse(seed), int.Parse(count)).ConfigureAwait(false);
    Console.WriteLine($"{count} mutations from seed {seed}: nothing found");
    return 0;
}

using Stream input = args.Length == 2 ? File.OpenRead(args[1]) : Console.OpenStandardInput();
using var bytes = new MemoryStream();
await input.CopyToAsync(bytes).ConfigureAwait(false);
await targets.RunAsync(bytes.ToArray()).ConfigureAwait(false);
return 0;
