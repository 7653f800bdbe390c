namespace Sluice.BlackBox;

/// <summary>How long the tests that kill the broker run, from the environment.</summary>
public static class CrashSettings
{
    /// <summary>How often the broker is killed in a test (<c>SLUICE_CRASH_ROUNDS</c>, 50 unless told).</summary>
    public static int Rounds => int.Parse(Environment.GetEnvironmentVariable("SLUICE_CRASH_ROUNDS") ?? "50");

    /// <summary>The seed of the moments of death and message sizes (<c>SLUICE_CRASH_SEED</c>); a failed test names the one it had.</summary>
    public static int Seed => int.Parse(Environment.GetEnvironmentVariable("SLUICE_CRASH_SEED") ?? Random.Shared.Next().ToString());
}
