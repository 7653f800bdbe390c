using System.Diagnostics;

namespace Sluice.Transport.Tests;

internal static class Poll
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, "waited in vain: " + what);
            await Task.Delay(5);
        }
    }
}
