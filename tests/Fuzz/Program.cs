using Sluice.Fuzz;

// One input from a file or from standard input, as fuzzers call it; or "mutate <seed> <count>" to run mutations of the seeds.
if (args is ["mutate", var seed, var count])
{
    await Mutations.RunAsync(int.Parse(seed), int.Parse(count)).ConfigureAwait(false);
    Console.WriteLine($"{count} mutations from seed {seed}: nothing found");
    return 0;
}

using Stream input = args.Length == 1 ? File.OpenRead(args[0]) : Console.OpenStandardInput();
using var bytes = new MemoryStream();
await input.CopyToAsync(bytes).ConfigureAwait(false);
using var targets = new Amqp091Targets();
await targets.RunAsync(bytes.ToArray()).ConfigureAwait(false);
return 0;
