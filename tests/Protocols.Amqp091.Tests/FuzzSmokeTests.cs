using Sluice.Fuzz;

namespace Sluice.Protocols.Amqp091.Tests;

/// <summary>The fuzz targets hold against some thousands of seeded mutations.</summary>
public sealed class FuzzSmokeTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public Task Seeded_mutations_find_nothing(int seed) => Mutations.RunAsync(seed, 3000);
}
