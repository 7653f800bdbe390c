using Sluice.LoadGenerator.Client;
using Sluice.LoadGenerator.Workers;
using Xunit;

namespace Sluice.LoadGenerator.Tests;

public sealed class ConfirmWindowTests
{
    [Fact]
    public void Confirms_in_any_order_and_twice_are_counted_once()
    {
        ConfirmWindow window = new(10);
        window.Published(10, at: 100);
        Assert.Equal(0, window.Room);
        window.Settle(5, multiple: false, accepted: true, now: 150, measureSince: 0);
        window.Settle(5, multiple: false, accepted: true, now: 150, measureSince: 0);
        window.Settle(3, multiple: true, accepted: false, now: 150, measureSince: 0);
        Assert.Equal((6, 1, 3, 4), (window.Outstanding, window.Confirmed, window.Nacked, window.Room));
        window.Settle(0, multiple: true, accepted: true, now: 150, measureSince: 0);
        Assert.Equal((0, 7, 10), (window.Outstanding, window.Confirmed, window.Room));
        Assert.Equal(10, window.Latency.Count);
    }

    [Fact]
    public void One_late_confirm_stops_the_window_after_twice_its_size()
    {
        ConfirmWindow window = new(4);
        window.Published(4, at: 1);
        for (long tag = 2; window.Room > 0 || window.Outstanding > 1; tag++)
        {
            window.Settle(tag, multiple: false, accepted: true, now: 2, measureSince: 0);
            window.Published(Math.Min(1, window.Room), at: 1);
        }

        Assert.Equal(7, window.Confirmed);
        window.Settle(1, multiple: false, accepted: true, now: 2, measureSince: 0);
        Assert.Equal(4, window.Room);
    }

    [Fact]
    public void A_confirm_for_what_was_never_published_is_an_error()
    {
        ConfirmWindow window = new(4);
        window.Published(2, at: 1);
        Assert.Throws<AmqpProtocolException>(() => window.Settle(3, multiple: false, accepted: true, now: 2, measureSince: 0));
    }

    [Fact]
    public void Messages_of_the_warm_up_are_not_measured()
    {
        ConfirmWindow window = new(4);
        window.Published(1, at: 10);
        window.Published(1, at: 20);
        window.Settle(2, multiple: true, accepted: true, now: 30, measureSince: 20);
        Assert.Equal((2, 1), (window.Confirmed, window.Latency.Count));
    }
}
