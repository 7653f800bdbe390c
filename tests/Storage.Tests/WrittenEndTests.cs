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
            Assert.InRange(readable, i - 2, i);
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

    private sealed class Kept : IDurabilityListener
    {
        public bool IsTold { get; private set; }

        public void OnKept(JournalPosition through) => IsTold = true;

        public void OnFailed(Exception error) => Assert.Fail(error.Message);
    }
}
