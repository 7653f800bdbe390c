using Sluice.Fuzz;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>The fuzz target holds against some thousands of seeded mutations.</summary>
public sealed class FuzzSmokeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Seeded_mutations_find_nothing(int seed)
    {
        using var targets = new KafkaTargets();
        await Mutations.RunAsync(targets, seed, 20_000);
    }
}
