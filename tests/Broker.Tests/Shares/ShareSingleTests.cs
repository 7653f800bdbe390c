using Sluice.Broker.Shares;

namespace Sluice.Broker.Tests.Shares;

/// <summary>Members of a share group that are given single records, beside those that fetch batches.</summary>
public sealed class ShareSingleTests
{
    private const int DeliveryCountMax = 5, InFlightMax = 4;

    private readonly ShareCursor _cursor = new(0);

    [Fact]
    public void Single_records_are_given_out_once_in_order()
    {
        Assert.Equal([(0, 1), (1, 1), (2, 1)], Take("a", 3));
        Assert.Equal([(3, 1)], Take("b", 3));
        Assert.False(_cursor.CanAcquire(Request("b")));
        _cursor.Acknowledge("a", [0, 2], AcknowledgeType.Accept, DeliveryCountMax);
        Assert.Equal([(4, 1)], Take("b", 3));
        Assert.Equal((1, 1), (_cursor.StartOffset, _cursor.DoneCount));
    }

    [Fact]
    public void What_is_released_comes_first_and_counts()
    {
        Take("a", 4);
        _cursor.Acknowledge("a", [2], AcknowledgeType.Release, DeliveryCountMax);
        _cursor.Acknowledge("a", [0], AcknowledgeType.Accept, DeliveryCountMax);
        Assert.Equal([(2, 2), (4, 1)], Take("b", 9));
    }

    [Fact]
    public void Nobody_settles_what_another_has()
    {
        Take("a", 2);
        _cursor.Acknowledge("b", [0, 1, 7], AcknowledgeType.Accept, DeliveryCountMax);
        Assert.Equal(0, _cursor.StartOffset);
        Assert.Equal(AcknowledgeStatus.NotHeld, _cursor.Acknowledge("b", [new Acknowledgement(0, 0, [1])], DeliveryCountMax, null));
        _cursor.Acknowledge("a", [0, 1], AcknowledgeType.Reject, DeliveryCountMax);
        Assert.Equal(2, _cursor.StartOffset);
    }

    [Fact]
    public void Both_kinds_of_members_share_what_there_is()
    {
        Assert.Equal([(0, 1)], Take("single", 1));
        List<DeliveryRun> batch = _cursor.Acquire(0, [new BatchSpan(0, 2, 0, 100, -1)], new AcquireRequest("batch", 1000, 500, false, 500, InFlightMax, DeliveryCountMax));
        Assert.Equal((1, 2), (Assert.Single(batch).First, batch[0].Last));
        Assert.Equal([(3, 1)], Take("single", 9));
        Assert.Equal(1000, _cursor.FirstLockEndMs);
        _cursor.Expire(1000, DeliveryCountMax);
        Assert.Equal([(1, 2), (2, 2)], Take("single", 9));
        Assert.Null(_cursor.FirstLockEndMs);
        _cursor.Expire(long.MaxValue - 1, DeliveryCountMax);
        Assert.Equal([], Take("other", 9));
    }

    [Fact]
    public void What_is_not_in_the_log_is_passed_over()
    {
        Assert.True(_cursor.TryAcquire(0, 2, Request("a"), out int count));
        Assert.Equal((1, 2L, 3L), (count, _cursor.StartOffset, _cursor.NextOffset));
        _cursor.Acknowledge("a", [2], AcknowledgeType.Release, DeliveryCountMax);
        Assert.True(_cursor.TryAcquire(2, 4, Request("a"), out count));
        Assert.Equal((1, 4L), (count, _cursor.StartOffset));
    }

    [Fact]
    public void What_was_read_before_the_position_moved_is_not_given_out()
    {
        Take("a", 2);
        _cursor.Reset(10);
        Assert.False(_cursor.TryAcquire(2, 2, Request("a"), out _));
        _cursor.Reset(0);
        Assert.False(_cursor.TryAcquire(2, 2, Request("a"), out _));
    }

    [Fact]
    public void What_fails_often_is_given_out_one_at_a_time_and_its_neighbours_are_not_given_up_with_it()
    {
        // The member dies of record 0 each time, with all that it has.
        var done = new List<long>();
        for (int death = 0; death < DeliveryCountMax; death++)
        {
            Take("a", InFlightMax);
            _cursor.Release("a", DeliveryCountMax);
        }

        while (Take("a", InFlightMax) is { Count: > 0 } taken)
        {
            Assert.True(taken.Count(static one => one.Count > 3) <= 1);
            long[] offsets = [.. taken.Select(static one => one.Offset).Where(static offset => offset < InFlightMax)];
            _cursor.Acknowledge("a", offsets, AcknowledgeType.Accept, DeliveryCountMax);
            done.AddRange(offsets);
            if (offsets.Length == 0)
            {
                break;
            }
        }

        Assert.Equal([1, 2, 3], done);
    }

    private static AcquireRequest Request(string member) => AcquireRequest.Single(member, InFlightMax, DeliveryCountMax);

    /// <summary>What the member gets of a log in which every offset is a record.</summary>
    private List<(long Offset, int Count)> Take(string member, int max)
    {
        var taken = new List<(long, int)>();
        while (taken.Count < max && _cursor.CanAcquire(Request(member)))
        {
            long offset = _cursor.FetchOffset;
            Assert.True(_cursor.TryAcquire(offset, offset, Request(member), out int count));
            taken.Add((offset, count));
        }

        return taken;
    }
}
