namespace Sluice.Storage.Tests;

public sealed class CrashTests
{
    private const int HistoriesPerCase = 200;

    /// <summary>Set to replay one history, or how many to run per case in a long run.</summary>
    private static readonly string? SeedOverride = Environment.GetEnvironmentVariable("SLUICE_CRASH_SEED");

    private static readonly string? CountOverride = Environment.GetEnvironmentVariable("SLUICE_CRASH_HISTORIES");

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Promises_hold_over_seeded_crash_histories(int block)
    {
        int count = CountOverride is null ? HistoriesPerCase : int.Parse(CountOverride);
        int first = block * 1_000_000;
        if (SeedOverride is not null)
        {
            first = int.Parse(SeedOverride);
            count = block == 0 ? 1 : 0;
        }
        int crashes = 0;
        for (int seed = first; seed < first + count; seed++)
        {
            try
            {
                CrashHistory history = new(seed);
                history.Run(lives: 6, operationsPerLife: 120);
                crashes += history.Crashes;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"History {seed} failed: {e.Message} Replay it with SLUICE_CRASH_SEED={seed}.", e);
            }
        }
        Assert.True(count < 10 || crashes > count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_is_known_of_producers_is_what_the_surviving_batches_say(int block)
    {
        int recovered = 0;
        int count = RunAll(block, seed =>
        {
            ProducerHistory history = new(seed);
            history.Run(lives: 4, operationsPerLife: 100);
            recovered += history.Recovered;
        });
        Assert.True(recovered > count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Compaction_loses_no_newest_record_and_brings_no_older_back(int block)
    {
        int dropped = 0;
        int count = RunAll(block, seed =>
        {
            CompactionHistory history = new(seed);
            history.Run(lives: 5, operationsPerLife: 250);
            dropped += history.Dropped;
        });
        Assert.True(dropped > count);
    }

    private static int RunAll(int block, Action<int> run)
    {
        int count = CountOverride is null ? HistoriesPerCase : int.Parse(CountOverride);
        int first = SeedOverride is null ? block * 1_000_000 : int.Parse(SeedOverride);
        count = SeedOverride is null ? count : 1;
        for (int seed = first; seed < first + count; seed++)
        {
            try
            {
                run(seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"History {seed} failed: {e.Message} Replay it with SLUICE_CRASH_SEED={seed}.", e);
            }
        }
        return count;
    }
}
