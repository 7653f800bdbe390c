using Sluice.Broker.Shares;

namespace Sluice.Broker.Tests.Shares;

/// <summary>The position of a share group in a partition: KIP-932.</summary>
public sealed class ShareCursorTests
{
    private const int DeliveryCountMax = 5;

    private readonly ShareCursor _cursor = new(0);

    [Fact]
    public void Records_are_acquired_once_and_not_twice()
    {
        Assert.Equal("0-9:1", Acquire("a", 0, Batches(0, 10)));
        Assert.Equal(10, _cursor.FetchOffset);
        Assert.Equal("", Acquire("b", 0, Batches(0, 10)));
        Assert.Equal("10-14:1", Acquire("b", 10, Batches(10, 5)));
    }

    [Fact]
    public void Start_moves_over_what_is_done_from_the_beginning_on()
    {
        Acquire("a", 0, Batches(0, 10));
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 3, 5, AcknowledgeType.Accept));
        Assert.Equal((0, 3), (_cursor.StartOffset, _cursor.DoneCount));
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 0, 2, AcknowledgeType.Reject));
        Assert.Equal((6, 0), (_cursor.StartOffset, _cursor.DoneCount));
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 6, 9, AcknowledgeType.Gap));
        Assert.Equal((10, 10), (_cursor.StartOffset, _cursor.NextOffset));
    }

    [Fact]
    public void What_is_released_is_delivered_again_before_what_is_new()
    {
        Acquire("a", 0, Batches(0, 10));
        Acknowledge("a", 4, 5, AcknowledgeType.Release);
        Assert.Equal(4, _cursor.FetchOffset);
        Assert.Equal("4-5:2 10-11:1", Acquire("b", 4, Batches(0, 10, 2)));
        Assert.Equal(12, _cursor.FetchOffset);
    }

    [Fact]
    public void Each_offset_may_have_a_kind_of_its_own()
    {
        Acquire("a", 0, Batches(0, 6));
        Assert.Equal(AcknowledgeStatus.Ok, _cursor.Acknowledge("a", [new Acknowledgement(0, 5, [1, 2, 2, 3, 0, 1])], DeliveryCountMax, null));
        Assert.Equal("1-2:Available:1 3-4:Archived:1 5-5:Acknowledged:1", Changes());
        Assert.Equal("1-2:Available:1 3-4:Archived:1 5-5:Acknowledged:1", State());
        Assert.Equal((1, 3), (_cursor.StartOffset, _cursor.DoneCount));
    }

    [Theory]
    [InlineData("b", 0, 9, AcknowledgeStatus.NotHeld)]
    [InlineData("a", 0, 10, AcknowledgeStatus.Invalid)]
    [InlineData("a", 10, 12, AcknowledgeStatus.Invalid)]
    [InlineData("a", 5, 6, AcknowledgeStatus.NotHeld)]
    [InlineData("a", 0, 1, AcknowledgeStatus.Ok)]
    [InlineData("a", 8, 9, AcknowledgeStatus.Ok)]
    public void What_is_not_acquired_by_the_member_is_not_acknowledged(string member, long first, long last, AcknowledgeStatus expected)
    {
        Acquire("a", 0, Batches(0, 10));
        Acknowledge("a", 4, 5, AcknowledgeType.Release);
        _cursor.TakeChanges();
        Assert.Equal(expected, Acknowledge(member, first, last, AcknowledgeType.Accept));
        Assert.Equal(expected == AcknowledgeStatus.Ok, Changes().Length > 0 || _cursor.StartOffset > 0);
    }

    [Fact]
    public void A_request_that_is_refused_in_part_changes_nothing()
    {
        Acquire("a", 0, Batches(0, 10));
        string before = State();
        Assert.Equal(AcknowledgeStatus.NotHeld, _cursor.Acknowledge("a", [new Acknowledgement(2, 3, [1]), new Acknowledgement(3, 4, [1])], DeliveryCountMax, null));
        Assert.Equal((before, ""), (State(), Changes()));
        Assert.Equal(AcknowledgeStatus.NotHeld, new ShareCursor(5).Acknowledge("a", [new Acknowledgement(5, 6, [1])], DeliveryCountMax, null));
    }

    [Fact]
    public void What_lies_below_the_start_may_be_acknowledged_in_vain()
    {
        Acquire("a", 0, Batches(0, 10));
        _cursor.MoveStart(4);
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 0, 3, AcknowledgeType.Accept));
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 2, 5, AcknowledgeType.Accept));
        Assert.Equal(6, _cursor.StartOffset);
        _cursor.MoveStart(20);
        Assert.Equal((20, 20, 20), (_cursor.StartOffset, _cursor.NextOffset, _cursor.FetchOffset));
    }

    [Fact]
    public void What_fails_too_often_is_given_up()
    {
        for (int delivery = 1; delivery <= DeliveryCountMax; delivery++)
        {
            Assert.Equal($"0-0:{delivery}", Acquire("a", 0, Batches(0, 1)));
            Acknowledge("a", 0, 0, AcknowledgeType.Release);
        }

        Assert.Equal((1, 1), (_cursor.StartOffset, _cursor.FetchOffset));
    }

    [Fact]
    public void What_has_failed_often_is_delivered_in_smaller_pieces_and_for_the_last_time_alone()
    {
        Acquire("a", 0, Batches(0, 16));
        Acknowledge("a", 0, 15, AcknowledgeType.Release);
        Assert.Equal("0-15:2", Acquire("a", 0, Batches(0, 16)));
        Acknowledge("a", 0, 15, AcknowledgeType.Release);
        Assert.Equal("0-15:3", Acquire("a", 0, Batches(0, 16)));
        Acknowledge("a", 0, 15, AcknowledgeType.Release);
        Assert.Equal("0-7:4", Acquire("a", 0, Batches(0, 16)));
        Acknowledge("a", 0, 7, AcknowledgeType.Release);
        Assert.Equal("0-0:5", Acquire("a", 0, Batches(0, 16)));
        Assert.Equal("1-1:5", Acquire("b", 1, Batches(0, 16)));
    }

    [Fact]
    public void Locks_end()
    {
        Acquire("a", 0, Batches(0, 4), lockEndMs: 100);
        Acquire("b", 4, Batches(4, 4), lockEndMs: 200);
        Assert.Equal(100, _cursor.FirstLockEndMs);
        _cursor.Expire(99, DeliveryCountMax);
        Assert.Equal("", Changes());
        _cursor.Expire(100, DeliveryCountMax);
        Assert.Equal("0-3:Available:1", Changes());
        Assert.Equal((200, 0), (_cursor.FirstLockEndMs, _cursor.FetchOffset));
        Assert.Equal(AcknowledgeStatus.NotHeld, Acknowledge("a", 0, 3, AcknowledgeType.Accept));
    }

    [Fact]
    public void Locks_are_renewed_where_that_is_allowed()
    {
        Acquire("a", 0, Batches(0, 4), lockEndMs: 100);
        Assert.Equal(AcknowledgeStatus.NotHeld, Acknowledge("a", 0, 1, AcknowledgeType.Renew));
        Assert.Equal(AcknowledgeStatus.Ok, _cursor.Acknowledge("a", [new Acknowledgement(0, 1, [4])], DeliveryCountMax, 150));
        Assert.Equal("", Changes());
        _cursor.Expire(120, DeliveryCountMax);
        Assert.Equal(2, _cursor.FetchOffset);
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 0, 1, AcknowledgeType.Accept));
    }

    [Fact]
    public void Members_that_go_leave_what_they_had_to_others()
    {
        Acquire("a", 0, Batches(0, 4));
        Acquire("b", 4, Batches(4, 4));
        _cursor.Release("a", DeliveryCountMax);
        Assert.Equal("0-3:Available:1", Changes());
        Assert.Equal("0-3:2", Acquire("b", 0, Batches(0, 8)));
    }

    [Fact]
    public void No_more_than_the_limit_are_in_flight()
    {
        Assert.Equal("0-99:1", Acquire("a", 0, Batches(0, 100, 50), inFlightMax: 100));
        Assert.False(_cursor.CanAcquire(100));
        Assert.Equal("", Acquire("a", 100, Batches(100, 50), inFlightMax: 100));
        Acknowledge("a", 50, 99, AcknowledgeType.Accept);
        Assert.False(_cursor.CanAcquire(100));
        Acknowledge("a", 0, 9, AcknowledgeType.Release);
        Assert.True(_cursor.CanAcquire(100));
        Assert.Equal("0-9:2", Acquire("b", 0, Batches(0, 100, 50), inFlightMax: 100));
        Acknowledge("b", 0, 9, AcknowledgeType.Accept);
        Assert.Equal("100-149:1", Acquire("b", 100, Batches(100, 50), inFlightMax: 100));
    }

    [Fact]
    public void The_last_batch_is_given_out_whole_unless_the_client_wants_no_more_than_it_said()
    {
        Assert.Equal("0-7:1", Acquire("a", 0, Batches(0, 4, 4, 4), recordsMax: 5));
        Assert.Equal("8-8:1", Acquire("a", 8, Batches(8, 4), recordsMax: 1, isExact: true));
        Acknowledge("a", 0, 7, AcknowledgeType.Release);
        Assert.Equal("0-1:2", Acquire("b", 0, Batches(0, 4, 4, 4), recordsMax: 2, isExact: true));
        Assert.Equal("2-3:2", Acquire("b", 2, Batches(0, 4, 4, 4), recordsMax: 1));
    }

    [Fact]
    public void Pieces_are_as_large_as_the_client_wants_them_and_end_where_batches_end()
    {
        Assert.Equal("0-5:1 6-11:1 12-14:1", Acquire("a", 0, Batches(0, 3, 3, 3, 3, 3), batchSize: 4));
        Assert.Equal(AcknowledgeStatus.Ok, Acknowledge("a", 0, 14, AcknowledgeType.Accept));
    }

    [Fact]
    public void What_is_no_longer_in_the_log_is_done()
    {
        Acquire("a", 0, Batches(0, 10));
        Acknowledge("a", 2, 5, AcknowledgeType.Release);

        // Compaction has removed what lies below 4, and the end up to 14.
        Assert.Equal("4-5:2", Acquire("b", 2, Batches(4, 2)));
        Acknowledge("a", 0, 1, AcknowledgeType.Accept);
        Acknowledge("b", 4, 5, AcknowledgeType.Accept);
        Assert.Equal(6, _cursor.StartOffset);
        Assert.Equal("14-15:1", Acquire("b", 10, Batches(14, 2)));
        Acknowledge("a", 6, 9, AcknowledgeType.Accept);
        Assert.Equal(14, _cursor.StartOffset);
    }

    [Fact]
    public void What_was_rolled_back_is_for_nobody()
    {
        List<DeliveryRun> acquired = _cursor.Acquire(0, Batches(0, 4, 4, 4), Request("a"));
        _cursor.Archive(4, 7, acquired);
        Assert.Equal("0-3:1 8-11:1", Text(acquired));
        _cursor.Archive(0, 3, acquired);
        Assert.Equal(("8-11:1", 8L), (Text(acquired), _cursor.StartOffset));
    }

    [Fact]
    public void What_was_read_at_another_place_is_not_given_out()
    {
        Assert.Equal("", Acquire("a", 5, Batches(5, 5)));
        _cursor.MoveStart(20);
        Assert.Equal("", Acquire("a", 0, Batches(0, 10)));
        Assert.Equal("20-24:1", Acquire("a", 18, Batches(18, 7)));
    }

    [Fact]
    public void Changes_and_snapshots_restore_what_was_settled()
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            var cursor = new ShareCursor(random.Next(3));
            var copy = new ShareCursor(cursor.StartOffset);
            for (int step = 0; step < 40; step++)
            {
                Step(cursor, random);
                DeliveryRun[] changes = cursor.TakeChanges();
                copy.Restore(cursor.StartOffset, changes);
                var restored = new ShareCursor(cursor.StartOffset);
                restored.Restore(cursor.StartOffset, cursor.ToState());
                string expected = Settled(cursor);
                Assert.Equal((round, step, expected), (round, step, Settled(copy)));
                Assert.Equal((round, step, expected), (round, step, Settled(restored)));
                Assert.Equal(cursor.DoneCount, copy.DoneCount);
            }
        }
    }

    private static void Step(ShareCursor cursor, Random random)
    {
        string member = random.Next(2) == 0 ? "a" : "b";
        long offset = cursor.FetchOffset;
        long first = cursor.StartOffset + random.Next(10), last = first + random.Next(4);
        switch (random.Next(5))
        {
            case 4:
                cursor.TryAcquire(offset, offset, AcquireRequest.Single("c", 2000, DeliveryCountMax), out _);
                cursor.Acknowledge("c", [first, last], (AcknowledgeType)random.Next(4), DeliveryCountMax);
                break;
            case 0:
                cursor.Acquire(offset, Batches(Math.Max(0, offset - random.Next(3)), 1 + random.Next(5), 1 + random.Next(5)), Request(member) with { IsExact = random.Next(2) == 0, RecordsMax = 1 + random.Next(6) });
                break;
            case 1:
                cursor.Release(member, DeliveryCountMax);
                break;
            default:
                cursor.Acknowledge(member, [new Acknowledgement(first, last, [(sbyte)random.Next(4)])], DeliveryCountMax, null);
                break;
        }
    }

    /// <summary>What a restart must know: acquired is what was available.</summary>
    private static string Settled(ShareCursor cursor) => $"{cursor.StartOffset}: {string.Join(' ', cursor.ToState().Select(static run => run.IsDone ? $"{run.First}-{run.Last}:{run.State}" : $"{run.First}-{run.Last}:{run.State}:{run.DeliveryCount}"))}";

    private static List<BatchSpan> Batches(long first, params int[] sizes)
    {
        var batches = new List<BatchSpan>();
        foreach (int size in sizes)
        {
            batches.Add(new BatchSpan(first, first + size - 1, first * 100, 100 * size, -1));
            first += size;
        }

        return batches;
    }

    private static AcquireRequest Request(string member) => new(member, 1000, 500, false, 500, 2000, DeliveryCountMax);

    private static string Text(IEnumerable<DeliveryRun> runs) => string.Join(' ', runs.Select(static run => $"{run.First}-{run.Last}:{run.DeliveryCount}"));

    private string Acquire(string member, long offset, List<BatchSpan> batches, int recordsMax = 500, bool isExact = false, int batchSize = 500, int inFlightMax = 2000, long lockEndMs = 1000) =>
        Text(_cursor.Acquire(offset, batches, new AcquireRequest(member, lockEndMs, recordsMax, isExact, batchSize, inFlightMax, DeliveryCountMax)));

    private AcknowledgeStatus Acknowledge(string member, long first, long last, AcknowledgeType type) => _cursor.Acknowledge(member, [new Acknowledgement(first, last, [(sbyte)type])], DeliveryCountMax, null);

    private string Changes() => string.Join(' ', _cursor.TakeChanges().Select(static run => $"{run.First}-{run.Last}:{run.State}:{run.DeliveryCount}"));

    private string State() => string.Join(' ', _cursor.ToState().Select(static run => $"{run.First}-{run.Last}:{run.State}:{run.DeliveryCount}"));
}
