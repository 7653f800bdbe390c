using Sluice.Base.Disk;
using Sluice.TestKit.Disk;
using Sluice.TestKit.Scheduling;
using Sluice.TestKit.Time;

namespace Sluice.Storage.Tests;

/// <summary>Readers that go on by offset see only what a kill of the process cannot take back.</summary>
public sealed class WrittenEndTests : IDisposable
{
    private readonly FaultDisk _disk = new(7);
    private readonly StepScheduler _scheduler = new(7);
    private readonly LogStore _store;
    private readonly Log _log;

    public WrittenEndTests()
    {
        _store = StoreFixture.Open(_disk, _scheduler, new ManualTimeProvider());
        _log = _store.CreateLog(LogKind.Durable, new RetentionPolicy(BehindCursor: false));
        _scheduler.RunAll();
    }

    public void Dispose()
    {
        _store.Dispose();
        _scheduler.RunAll();
    }

    [Theory]
    [InlineData(Durability.Memory)]
    [InlineData(Durability.OperatingSystem)]
    [InlineData(Durability.Disk)]
    public void An_append_can_be_read_when_the_journal_has_written_it(Durability promise)
    {
        _log.Append(StoreFixture.Batch("a", "b"), promise, isAwaited: true);
        Assert.Equal(new LogEnd(0, 0), _log.FindWrittenEnd(out JournalPosition unwritten));
        Assert.True(unwritten.Value > 0);
        Kept kept = new();
        _store.NotifyWhenKept(unwritten, Durability.OperatingSystem, kept);
        _scheduler.RunAll();
        Assert.True(kept.IsTold);
        Assert.Equal(new LogEnd(2, 2), _log.FindWrittenEnd(out unwritten));
        Assert.Equal(JournalPosition.None, unwritten);
    }

    [Fact]
    public void While_more_comes_what_was_written_can_be_read()
    {
        long written = 0;
        for (int i = 0; i < 50; i++)
        {
            AppendResult result = _log.Append(StoreFixture.Batch($"{i}"), Durability.OperatingSystem, isAwaited: true);
            long readable = _log.FindWrittenEnd(out _).Offset;
            Assert.Equal(i % 2 == 0 ? i : i - 1, readable);
            Assert.True(readable >= written && readable <= result.BaseOffset);
            written = readable;
            if (i % 2 == 1)
            {
                _store.NotifyWhenKept(result.Position, Durability.OperatingSystem, new Kept());
                _scheduler.RunAll();
            }
        }
        Assert.Equal(50, _log.FindWrittenEnd(out _).Offset);
    }

    [Fact]
    public void What_is_acknowledged_can_be_read_whatever_has_come_since()
    {
        Random random = new(3);
        long acknowledged = 0;
        for (int i = 0; i < 500; i++)
        {
            int end = i + 1;
            if (random.Next(3) == 0)
            {
                using JournalGroup group = _store.BeginGroup();
                _log.Append(StoreFixture.Batch($"{i}"), Durability.Disk, group);
                Assert.True(_log.FindWrittenEnd(out _).Offset >= acknowledged);
                _store.NotifyWhenKept(group.Commit(), Durability.Disk, new Kept(() => acknowledged = Math.Max(acknowledged, end)));
            }
            else
            {
                Durability promise = random.Next(2) == 0 ? Durability.Disk : Durability.OperatingSystem;
                AppendResult result = _log.Append(StoreFixture.Batch($"{i}"), promise, isAwaited: random.Next(2) == 0);
                // Other threads come to write between this append and the next.
                if (random.Next(2) == 0)
                {
                    _store.NotifyWhenKept(result.Position, promise, new Kept(() => acknowledged = Math.Max(acknowledged, end)));
                }
            }
            if (random.Next(3) == 0)
            {
                _scheduler.RunOne();
            }
            Assert.InRange(_log.FindWrittenEnd(out _).Offset, acknowledged, i + 1);
        }
    }

    [Fact]
    public void What_is_written_can_be_read_while_more_waits_for_a_sync()
    {
        // A listener of the first write appends, and looks before the second begins: what is told is exact, not a write behind.
        long readable = -1;
        AppendResult first = _log.Append(StoreFixture.Batch("first"), Durability.OperatingSystem);
        _store.NotifyWhenKept(first.Position, Durability.OperatingSystem, new Kept(() =>
        {
            _log.Append(StoreFixture.Batch("second"), Durability.Disk);
            readable = _log.FindWrittenEnd(out _).Offset;
        }));
        _scheduler.RunAll();
        Assert.Equal(1, readable);
        AppendResult third = _log.Append(StoreFixture.Batch("third"), Durability.Disk, isAwaited: true);
        Assert.Equal(2, _log.FindWrittenEnd(out _).Offset);
        _store.NotifyWhenKept(third.Position, Durability.Disk, new Kept());
        _scheduler.RunAll();
        Assert.Equal(3, _log.FindWrittenEnd(out _).Offset);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_acknowledged_can_be_read_although_more_came_during_its_write(bool isGroup)
    {
        _log.Append(StoreFixture.Batch("first"), Durability.OperatingSystem);
        AppendResult second = _log.Append(StoreFixture.Batch("second"), Durability.OperatingSystem);
        long readable = -1;
        _disk.Fault = line =>
        {
            if (line.StartsWith("write journal/", StringComparison.Ordinal))
            {
                _disk.Fault = null;
                if (isGroup)
                {
                    using JournalGroup group = _store.BeginGroup();
                    _log.Append(StoreFixture.Batch("third"), Durability.OperatingSystem, group);
                    group.Commit();
                }
                else
                {
                    _log.Append(StoreFixture.Batch("third"), Durability.OperatingSystem);
                }
            }
            return null;
        };
        _store.NotifyWhenKept(second.Position, Durability.OperatingSystem, new Kept(() => readable = _log.FindWrittenEnd(out _).Offset));
        _scheduler.RunAll();
        Assert.Equal(2, readable);
        Assert.Equal(3, _log.FindWrittenEnd(out _).Offset);
    }

    [Fact]
    public void What_a_group_has_appended_can_be_read_when_the_journal_has_written_the_group()
    {
        _log.Append(StoreFixture.Batch("before"), Durability.OperatingSystem);
        _scheduler.RunAll();
        using (JournalGroup group = _store.BeginGroup())
        {
            _log.Append(StoreFixture.Batch("in it"), Durability.OperatingSystem, group);
            Assert.Equal(1, _log.FindWrittenEnd(out JournalPosition none).Offset);
            Assert.Equal(JournalPosition.None, none);
            group.Commit();
        }
        Assert.Equal(1, _log.FindWrittenEnd(out JournalPosition unwritten).Offset);
        Assert.True(unwritten.Value > 0);
        _scheduler.RunAll();
        Assert.Equal(2, _log.FindWrittenEnd(out _).Offset);
    }

    [Fact]
    public void A_transaction_is_decided_when_its_marker_is_written()
    {
        _log.Append(StoreFixture.Batch("before"), Durability.OperatingSystem);
        _log.Append((KafkaBatch.Of("x") with { ProducerId = 9, ProducerEpoch = 0, BaseSequence = 0, IsTransactional = true }).Bytes(), Durability.OperatingSystem);
        _scheduler.RunAll();
        Assert.Equal(new LogEnd(2, 1), _log.FindWrittenEnd(out _));
        _log.Append(KafkaBatch.Marker(9, 0, isCommit: true), Durability.OperatingSystem, isAwaited: true);
        Assert.Equal(new LogEnd(2, 1), _log.FindWrittenEnd(out JournalPosition unwritten));
        _store.NotifyWhenKept(unwritten, Durability.OperatingSystem, new Kept());
        _scheduler.RunAll();
        Assert.Equal(new LogEnd(3, 3), _log.FindWrittenEnd(out _));
    }

    [Fact]
    public void When_the_journal_has_failed_all_can_be_read()
    {
        _disk.Fault = static line => line.StartsWith("write journal/", StringComparison.Ordinal) ? new IOException("EIO") : null;
        _log.Append(StoreFixture.Batch("lost"), Durability.OperatingSystem);
        _scheduler.RunAll();
        _disk.Fault = null;
        Assert.NotNull(_store.Failure);
        Assert.Equal(1, _log.FindWrittenEnd(out _).Offset);
    }

    private sealed class Kept(Action? action = null) : IDurabilityListener
    {
        public bool IsTold { get; private set; }

        public void OnKept(JournalPosition through)
        {
            IsTold = true;
            action?.Invoke();
        }

        public void OnFailed(Exception error) => Assert.Fail(error.Message);
    }
}
