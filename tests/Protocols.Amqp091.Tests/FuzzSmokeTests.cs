using Sluice.Fuzz;

namespace Sluice.Protocols.Amqp091.Tests;

/// <summary>The fuzz targets hold against some thousands of seeded mutations.</summary>
public sealed class FuzzSmokeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Seeded_mutations_find_nothing(int seed)
    {
        using var targets = new Amqp091Targets();
        await Mutations.RunAsync(targets, seed, 3000);
    }
}
