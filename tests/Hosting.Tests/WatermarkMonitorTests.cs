using Microsoft.Extensions.Logging.Abstractions;

namespace Sluice.Hosting.Tests;

public sealed class WatermarkMonitorTests
{
    private readonly List<string?> _reasons = [];
    private readonly StillClock _clock = new();
    private long _used = 50;
    private long _free = 5000;
    private long _afterReclaim = -1;
    private int _reclaims;
    private TimeSpan _reclaimTime;
    private IOException? _diskFailure;

    private WatermarkMonitor Start() => new(
        new WatermarkSources(
            () => _used,
            () => _diskFailure is null ? _free : throw _diskFailure,
            () =>
            {
                _reclaims++;
                _clock.Elapsed += _reclaimTime;
                _used = _afterReclaim >= 0 ? _afterReclaim : _used;
            }),
        memoryMax: 100,
        freeDiskMin: 1000,
        _reasons.Add,
        _clock,
        NullLogger.Instance);

    [Fact]
    public void Nothing_is_said_while_nothing_is_short()
    {
        using WatermarkMonitor monitor = Start();
        monitor.Sample();
        Assert.Empty(_reasons);
        Assert.Equal(0, _reclaims);
    }

    [Fact]
    public void Memory_above_its_mark_blocks_until_it_is_well_below()
    {
        using WatermarkMonitor monitor = Start();
        _used = 101;
        monitor.Sample();
        monitor.Sample();
        _used = 99;
        monitor.Sample();
        Assert.Equal(["low on memory"], _reasons);
        _used = 95;
        monitor.Sample();
        Assert.Equal(["low on memory", null], _reasons);
        _used = 99;
        monitor.Sample();
        Assert.Equal(2, _reasons.Count);
    }

    [Fact]
    public void Memory_that_the_collector_can_give_back_blocks_nobody_and_is_not_asked_for_every_second()
    {
        using WatermarkMonitor monitor = Start();
        _afterReclaim = 60;
        _used = 150;
        monitor.Sample();
        Assert.Empty(_reasons);
        _afterReclaim = -1;
        _used = 150;
        monitor.Sample();
        monitor.Sample();
        Assert.Equal(1, _reclaims);
        Assert.Equal(["low on memory"], _reasons);
    }

    [Fact]
    public void Memory_just_below_the_mark_is_asked_back_while_publishers_wait()
    {
        using WatermarkMonitor monitor = Start();
        _used = 101;
        monitor.Sample();
        _used = 98;
        _afterReclaim = 60;
        monitor.Sample();
        Assert.Equal(1, _reclaims);
        _clock.Elapsed += TimeSpan.FromSeconds(1);
        monitor.Sample();
        Assert.Equal(2, _reclaims);
        Assert.Equal(["low on memory", null], _reasons);
    }

    [Fact]
    public void Publishers_go_on_within_two_seconds_of_the_room_that_consumers_make()
    {
        using WatermarkMonitor monitor = Start();
        _used = 150;
        monitor.Sample();
        for (int second = 0; second < 10; second++)
        {
            _clock.Elapsed += TimeSpan.FromSeconds(1);
            monitor.Sample();
        }

        Assert.Equal(["low on memory"], _reasons);
        // Nothing is collected by itself: few allocate while publishers wait.
        _afterReclaim = 60;
        for (int second = 0; second < 2; second++)
        {
            _clock.Elapsed += TimeSpan.FromSeconds(0.999);
            monitor.Sample();
        }

        Assert.Equal(["low on memory", null], _reasons);
    }

    [Theory]
    [InlineData(0.05, 100)]
    [InlineData(1, 20)]
    [InlineData(3, 7)]
    [InlineData(10, 3)]
    public void Reclaiming_takes_a_fifth_of_the_time_at_most_and_a_dear_one_happens_every_thirty_seconds(double seconds, int most)
    {
        using WatermarkMonitor monitor = Start();
        _reclaimTime = TimeSpan.FromSeconds(seconds);
        _used = 150;
        while (_clock.Elapsed < TimeSpan.FromSeconds(100))
        {
            monitor.Sample();
            _clock.Elapsed += TimeSpan.FromSeconds(1);
        }

        Assert.InRange(_reclaims, Math.Max(most * 3 / 4, 1), most);
    }

    [Fact]
    public void Disk_below_its_mark_blocks_until_it_is_well_above()
    {
        using WatermarkMonitor monitor = Start();
        _free = 999;
        monitor.Sample();
        _free = 1001;
        monitor.Sample();
        Assert.Equal(["low on disk"], _reasons);
        _free = 1050;
        monitor.Sample();
        Assert.Equal(["low on disk", null], _reasons);
    }

    [Fact]
    public void Both_are_told_apart()
    {
        using WatermarkMonitor monitor = Start();
        _free = 0;
        monitor.Sample();
        _used = 200;
        monitor.Sample();
        _free = 5000;
        monitor.Sample();
        _used = 0;
        monitor.Sample();
        Assert.Equal(["low on disk", "low on memory & disk", "low on memory", null], _reasons);
    }

    [Fact]
    public void A_disk_that_cannot_be_asked_changes_nothing()
    {
        using WatermarkMonitor monitor = Start();
        _free = 0;
        monitor.Sample();
        _diskFailure = new IOException("gone");
        monitor.Sample();
        Assert.Equal(["low on disk"], _reasons);
    }

    [Fact]
    public void A_shortage_at_the_start_blocks_from_the_start()
    {
        _free = 0;
        using WatermarkMonitor monitor = Start();
        Assert.Equal(["low on disk"], _reasons);
        monitor.Dispose();
        _free = 5000;
        monitor.Sample();
        Assert.Single(_reasons);
    }
}
