namespace Sluice.BlackBox;

/// <summary>How long the tests that kill the broker run, from the environment.</summary>
public static class CrashSettings
{
    private const int Brokers = 2;

    /// <summary>How often the broker is killed in a test (<c>SLUICE_CRASH_ROUNDS</c>, 50 unless told).</summary>
    public static int Rounds => int.Parse(Environment.GetEnvironmentVariable("SLUICE_CRASH_ROUNDS") ?? "50");

    /// <summary>
    /// The kills of a test, divided among brokers that are killed side by side, each with a seed of its own: a round is mostly waiting, for clients to find the broker again and for the broker to start.
    /// </summary>
    public static IEnumerable<(int Rounds, int Seed)> Shares(int seed)
    {
        for (int broker = 0; broker < Brokers; broker++)
        {
            yield return ((Rounds + Brokers - 1 - broker) / Brokers, unchecked(seed + (broker * 1000)));
        }
    }

    /// <summary>The seed of the moments of death and message sizes (<c>SLUICE_CRASH_SEED</c>); a failed test names the one it had.</summary>
    public static int Seed => int.Parse(Environment.GetEnvironmentVariable("SLUICE_CRASH_SEED") ?? Random.Shared.Next().ToString());
}
