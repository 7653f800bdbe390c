using System.Text;
using Sluice.Broker.Delays;
using Sluice.Broker.Messages;
using Sluice.Storage;

namespace Sluice.Broker.Tests.Delays;

public sealed class DelayStoreTests
{
    [Fact]
    public void Messages_are_delivered_in_their_millisecond_and_in_order()
    {
        using var fixture = new DelayFixture();
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            fixture.Schedule($"m{i}", random.NextInt64(1, 10_000), persistent: i % 2 == 0);
        }

        fixture.Run(TimeSpan.FromMilliseconds(10_001), TimeSpan.FromMilliseconds(1));
        Assert.Equal(2000, fixture.Delivered.Count);
        Assert.All(fixture.Delivered, delivery => Assert.Equal(delivery.DueMs, delivery.AtMs));
        Assert.Equal(fixture.Delivered.Select(d => d.DueMs).Order(), fixture.Delivered.Select(d => d.DueMs));
        Assert.Equal(0, fixture.Delays.Count);
    }

    [Fact]
    public void Messages_scheduled_while_others_fall_due_are_in_time_too()
    {
        using var fixture = new DelayFixture();
        var random = new Random(2);
        int scheduled = 0;
        for (int ms = 0; ms < 200_000; ms++)
        {
            if (ms < 30_000 && ms % 7 == 0)
            {
                fixture.Schedule($"m{scheduled++}", random.NextInt64(0, random.Next(2) == 0 ? 1500 : 150_000));
            }

            fixture.Clock.Advance(TimeSpan.FromMilliseconds(1));
            fixture.Scheduler.RunAll();
        }

        Assert.Equal(scheduled, fixture.Delivered.Count);
        Assert.Equal(scheduled, fixture.Delivered.Select(d => d.Body).Distinct().Count());
        Assert.All(fixture.Delivered, delivery => Assert.InRange(delivery.AtMs - delivery.DueMs, 0, 1));
    }

    [Fact]
    public void Delays_of_days_and_decades_end_on_the_day()
    {
        using var fixture = new DelayFixture();
        int[] days = [0, 1, 2, 6, 7, 30, 90, 365, 388, 389, 1000, 3650, 9999, 18_249];
        foreach (int day in days)
        {
            fixture.Schedule($"{day}", (day * 86_400_000L) + 1);
        }

        fixture.Schedule("longest", DelayStore.DelayMsMax);
        long start = fixture.NowMs;
        fixture.Run(TimeSpan.FromDays(18_251), TimeSpan.FromDays(1));
        Assert.Equal([.. days.Select(day => $"{day}"), "longest"], fixture.Delivered.Select(d => d.Body));
        Assert.All(fixture.Delivered, delivery => Assert.InRange(delivery.AtMs - delivery.DueMs, 0, 86_400_000));
        Assert.Empty(fixture.Errors.Lines);
    }

    [Fact]
    public void Waiting_messages_are_not_in_memory_and_large_buckets_move_in_pieces()
    {
        using var fixture = new DelayFixture();
        const int Count = 20_000;
        for (int i = 0; i < Count; i++)
        {
            fixture.Schedule($"m{i}", 3_600_000 + (i % 1000));
            if (i % 500 == 0)
            {
                fixture.Scheduler.RunAll();
            }
        }

        fixture.Scheduler.RunAll();
        Assert.Equal(0, fixture.Delays.IndexCount);
        Assert.Equal(Count, fixture.Delays.Count);
        Assert.InRange(fixture.Store.TailBytes, 0, 1 << 20);
        fixture.Run(TimeSpan.FromSeconds(3595), TimeSpan.FromSeconds(1));
        Assert.Equal(0, fixture.Delays.IndexCount);
        Assert.Equal(Count, fixture.Delays.Count);
        Assert.Empty(fixture.Delivered);
        fixture.Run(TimeSpan.FromSeconds(6), TimeSpan.FromMilliseconds(1));
        Assert.Equal(Count, fixture.Delivered.Count);
        Assert.Equal(Count, fixture.Delivered.Select(d => d.Body).Distinct().Count());
        Assert.All(fixture.Delivered, delivery => Assert.Equal(delivery.DueMs, delivery.AtMs));
    }

    [Fact]
    public void More_messages_in_a_second_than_the_index_takes_follow_at_its_end()
    {
        using var fixture = new DelayFixture(indexMax: 100);
        for (int i = 0; i < 1000; i++)
        {
            fixture.Schedule($"m{i}", 10_000 + (i % 500));
            fixture.Schedule($"n{i}", 500_000 + (i % 500));
        }

        fixture.Run(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(10));
        for (int i = 0; i < 500; i++)
        {
            fixture.Schedule($"late{i}", 1 + (i % 400));
        }

        Assert.InRange(fixture.Delays.IndexCount, 50, 100);
        fixture.Run(TimeSpan.FromSeconds(500), TimeSpan.FromMilliseconds(10));
        Assert.Equal(2500, fixture.Delivered.Count);
        Assert.Equal(2500, fixture.Delivered.Select(d => d.Body).Distinct().Count());
        Assert.All(fixture.Delivered, delivery => Assert.InRange(delivery.AtMs - delivery.DueMs, 0, 1010));
        Assert.Equal(0, fixture.Delays.IndexCount);
    }

    [Fact]
    public void All_fields_of_a_message_come_back()
    {
        using var fixture = new DelayFixture();
        var message = new MessageToPublish
        {
            Exchange = "published to"u8,
            RoutingKey = Encoding.UTF8.GetBytes(new string('k', 255)),
            ExtraRoutingKeys = ["cc"u8.ToArray(), []],
            Format = PropertiesFormat.Amqp091,
            Properties = Encoding.UTF8.GetBytes(new string('p', 70_000)),
            Body = Encoding.UTF8.GetBytes(new string('b', 300_000)),
            Persistent = true,
            TimeToLiveMs = 12_345,
            Priority = 9,
            DelayMs = 5000,
            Deaths = "deaths"u8,
        };
        long dueMs = fixture.NowMs + 5000;
        fixture.Delays.Schedule("holder"u8, message, dueMs);
        fixture.Schedule("plain", 5001, persistent: false);
        int seen = 0;
        fixture.OnDeliver = batch =>
        {
            while (batch.TryNext(out DelayedMessage delayed))
            {
                if (seen++ == 0)
                {
                    Assert.Equal(dueMs, delayed.DueMs);
                    Assert.Equal("holder", Encoding.UTF8.GetString(delayed.Holder));
                    Assert.Equal("published to", Encoding.UTF8.GetString(delayed.Message.Exchange));
                    Assert.Equal(new string('k', 255), Encoding.UTF8.GetString(delayed.Message.RoutingKey));
                    Assert.Equal(["cc", ""], delayed.Message.ExtraRoutingKeys!.Select(Encoding.UTF8.GetString));
                    Assert.Equal(PropertiesFormat.Amqp091, delayed.Message.Format);
                    Assert.Equal(70_000, delayed.Message.Properties.Length);
                    Assert.Equal(300_000, delayed.Message.Body.Length);
                    Assert.True(delayed.Message.Persistent);
                    Assert.Equal(12_345, delayed.Message.TimeToLiveMs);
                    Assert.Equal(9, delayed.Message.Priority);
                    Assert.Equal(-1, delayed.Message.DelayMs);
                    Assert.Equal("deaths", Encoding.UTF8.GetString(delayed.Message.Deaths));
                }
                else
                {
                    Assert.False(delayed.Message.Persistent);
                    Assert.Null(delayed.Message.ExtraRoutingKeys);
                    Assert.Equal(-1, delayed.Message.TimeToLiveMs);
                    Assert.Equal("plain", Encoding.UTF8.GetString(delayed.Message.Body));
                }
            }

            batch.Settle(null);
        };
        fixture.Run(TimeSpan.FromSeconds(6), TimeSpan.FromMilliseconds(100));
        Assert.Equal(2, seen);
        Assert.Equal(0, fixture.Delays.Count);
    }

    [Fact]
    public void What_the_target_does_not_settle_comes_again()
    {
        using var fixture = new DelayFixture();
        for (int i = 0; i < 10; i++)
        {
            fixture.Schedule($"m{i}", 100);
        }

        fixture.RefusesToSettle = true;
        fixture.Run(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(50));
        Assert.Empty(fixture.Delivered);
        fixture.RefusesToSettle = false;
        fixture.OnDeliver = _ => throw new IOException("The disk is unwell.");
        fixture.Run(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(50));
        Assert.Empty(fixture.Delivered);
        Assert.InRange(fixture.Errors.Lines.Count, 3, 7);
        fixture.OnDeliver = null;
        fixture.Run(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(50));
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"m{i}"), fixture.Delivered.Select(d => d.Body));
    }

    [Fact]
    public void A_schedule_can_be_part_of_a_group()
    {
        using var fixture = new DelayFixture();
        Log other = fixture.Store.CreateLog(LogKind.Durable, RetentionPolicy.Queue);
        using (JournalGroup group = fixture.Store.BeginGroup())
        {
            lock (fixture.Delays.Gate)
            {
                var message = new MessageToPublish { Body = "grouped"u8, Persistent = true };
                Assert.Equal(JournalPosition.None, fixture.Delays.Schedule("x"u8, message, fixture.NowMs + 1000, group));
                Assert.NotEqual(JournalPosition.None, group.Commit());
            }
        }

        Assert.Equal(0, other.NextOffset);
        fixture.Run(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(100));
        Assert.Equal(["grouped"], fixture.Delivered.Select(d => d.Body));
    }

    [Fact]
    public void A_failed_log_ends_no_delivery()
    {
        using var fixture = new DelayFixture();
        fixture.Disk.Fault = static line => line.StartsWith("write logs/", StringComparison.Ordinal) ? new IOException("No space left on device") : null;
        for (int i = 0; i < 50; i++)
        {
            try
            {
                fixture.Schedule(new string('x', 1000), 72_000, persistent: false);
            }
            catch (LogFailedException)
            {
                break;
            }

            fixture.Scheduler.RunAll();
        }

        fixture.Disk.Fault = null;
        Assert.Single(fixture.Delays.LogIds, id => fixture.Store.FindLog(id)!.PromiseFailure is not null);

        // To be moved to the same log, which has no place for it before it is overdue; and to another.
        fixture.Schedule("late", 72_000 + 128_000);
        fixture.Schedule("free", 300_000);
        fixture.Run(TimeSpan.FromSeconds(400), TimeSpan.FromSeconds(1));
        Assert.Equal(["late", "free"], fixture.Delivered.Select(one => one.Body).Where(body => body.Length < 10));
        Assert.All(fixture.Delivered, one => Assert.InRange(one.AtMs - one.DueMs, 0, 5_000));
        Assert.Null(fixture.Store.Failure);
    }

    [Fact]
    public void Scheduling_does_not_allocate()
    {
        using var fixture = new DelayFixture();
        var message = new MessageToPublish { Exchange = "x"u8, RoutingKey = "k"u8, Body = "body"u8, Properties = "properties"u8 };
        long dueMs = fixture.NowMs + 60_000;
        long allocated = 0;
        for (int i = 0; i < 6000; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            fixture.Delays.Schedule("x"u8, message, dueMs);
            allocated += i < 5000 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            fixture.Scheduler.RunAll(); // Writes tails to segments, so that their memory is used again.
        }

        Assert.InRange(allocated, 0, 1000); // Less than a byte each: only the log takes another chunk of memory now and then.
    }

    [Fact]
    public void Deleting_gives_up_messages_and_logs()
    {
        using var fixture = new DelayFixture();
        fixture.Schedule("m", 1000);
        LogId[] logs = [.. fixture.Delays.LogIds];
        Assert.Equal(WheelTime.Logs, logs.Length);
        fixture.Delays.Delete();
        Assert.All(logs, id => Assert.Null(fixture.Store.FindLog(id)));
        fixture.Run(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(100));
        Assert.Empty(fixture.Delivered);
    }
}
