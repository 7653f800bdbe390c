using Sluice.Broker.Delays;

namespace Sluice.Broker.Tests.Delays;

public sealed class WheelTimeTests
{
    private const long Start = 1_900_000_000;

    [Theory]
    [InlineData(0, 0)]
    [InlineData(127, 0)]
    [InlineData(128, 1)]
    [InlineData(7_000, 1)]
    [InlineData(9_000, 2)]
    [InlineData(86_400 * 30, 3)]
    [InlineData(86_400L * 365 * 10, 4)]
    [InlineData(86_400L * 365 * 50, 4)]
    public void The_level_grows_with_the_delay(long seconds, int level) => Assert.Equal(level, WheelTime.Place((Start + seconds) * 1000, Start).Level);

    [Fact]
    public void What_is_overdue_belongs_to_the_present_second() => Assert.Equal((0, Start), WheelTime.Place((Start - 500) * 1000, Start));

    [Fact]
    public void Buckets_in_use_have_slots_of_their_own_and_are_not_handed_over_yet()
    {
        var random = new Random(4);
        for (int i = 0; i < 200_000; i++)
        {
            long second = Start + random.NextInt64(1L << random.Next(1, 31));
            long dueMs = (second * 1000) + random.NextInt64(1L << random.Next(1, 41));
            (int level, long bucket) = WheelTime.Place(dueMs, second);
            Assert.InRange(bucket - WheelTime.BucketOf(level, second), 0, WheelTime.Slots - 1);
            Assert.Equal(dueMs / WheelTime.WidthMs(level), bucket);
            if (level > 0)
            {
                // Also at the end of the second, and with all of the finer level's reach to spare when the bucket is moved.
                Assert.True(bucket > WheelTime.LastDue(level, (second * 1000) + 999));
                long handOver = WheelTime.HandOverMs(level, bucket) / 1000;
                long lastDue = ((bucket + 1) * WheelTime.WidthMs(level)) - 1;
                Assert.True(WheelTime.Place(lastDue, handOver).Level < level);
            }
        }
    }
}
