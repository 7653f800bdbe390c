using Sluice.Fuzz;

namespace Sluice.Security.Tests;

/// <summary>Seeded mutations of what clients send to log in.</summary>
public sealed class FuzzSmokeTests
{
    [Fact]
    public async Task Mutated_logins_end_in_a_refusal()
    {
        using var targets = new SaslTargets();
        await Mutations.RunAsync(targets, seed: 1, count: 20_000);
    }
}
