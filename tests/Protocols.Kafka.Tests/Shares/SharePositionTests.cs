using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Tests.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Shares;

/// <summary>Where share groups are in their partitions, over time and crashes: KIP-932.</summary>
public sealed class SharePositionTests
{
    private const int LockMs = 30_000, PiecesMax = 6;

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void What_was_accepted_is_not_delivered_again_after_a_crash_and_what_was_not_is(CrashKind kind)
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        Assert.Equal("0-9:1", a.Acquire(partition, 10));
        Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 0, 2));
        Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 5, 6));
        Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 7, 7, AcknowledgeType.Release));
        fixture.Crash(kind);
        partition = Partition(fixture);
        Assert.Equal((3L, 2L), fixture.Run(fixture.Shares.DescribeAsync(new SharePartitionKey("g", partition.Topic.Id, 0))).Position);
        Assert.Equal("3-4:1 7-7:2 8-9:1", a.Acquire(partition, 7));
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void A_crash_between_any_two_operations_of_the_disk_brings_back_nothing_that_was_accepted(CrashKind kind)
    {
        int operations = int.MaxValue;
        long last = 0;
        for (int crashAt = 1; crashAt <= operations; crashAt++)
        {
            using var fixture = new GroupFixture();
            fixture.CreateTopic("t");
            int done = 0;
            fixture.Disk.Fault = _ => ++done >= crashAt ? new IOException("the power has failed") : null;
            long accepted = Work(fixture);
            operations = done < crashAt ? 0 : operations;
            last = accepted;
            fixture.Disk.Fault = null;
            fixture.Crash(kind);
            if (accepted > 0)
            {
                ShareClient again = Join(fixture, "b");
                string acquired = again.Acquire(Partition(fixture), 100);
                Assert.True(long.Parse(acquired.Split('-')[0]) >= accepted, $"Crash at operation {crashAt}: {accepted} were accepted, {acquired} come again.");
            }
        }

        Assert.Equal(PiecesMax * 3, last);
    }

    [Fact]
    public void An_acknowledgement_is_answered_once_it_is_kept()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 10);
        Task<KafkaErrorCode> answer = a.AcknowledgeAsync(partition, 0, 9);
        Assert.False(answer.IsCompleted);
        Assert.Equal(KafkaErrorCode.None, fixture.Run(answer));
    }

    [Fact]
    public void When_nothing_can_be_kept_nothing_is_acknowledged()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 10);
        fixture.Disk.Fault = static _ => new IOException("the disk has failed");
        Assert.Equal(KafkaErrorCode.NotCoordinator, a.Acknowledge(partition, 0, 9));
        fixture.Disk.Fault = null;
        fixture.Crash(CrashKind.Power);
        Assert.Equal("0-9:1", a.Acquire(Partition(fixture), 10));
    }

    [Fact]
    public void After_an_operation_that_failed_half_way_nothing_is_acknowledged()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 10);
        Assert.Throws<DivideByZeroException>(() => { _ = a.Open(partition).Position!.Shard.RemoveAsync(static _ => throw new DivideByZeroException()); });
        Assert.Equal(KafkaErrorCode.NotCoordinator, a.Acknowledge(partition, 0, 9));
    }

    [Fact]
    public void Where_a_group_begins_is_kept_before_it_gets_anything()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 1);
        fixture.Crash(CrashKind.Power);
        Assert.Equal((0L, 0L), fixture.Run(fixture.Shares.DescribeAsync(new SharePartitionKey("g", Partition(fixture).Topic.Id, 0))).Position);
    }

    [Fact]
    public void Locks_end_after_their_time_and_are_renewed()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a"), b = Join(fixture, "b");
        Assert.Equal("0-9:1", a.Acquire(partition, 10));
        fixture.Advance(LockMs / 2);
        Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 0, 4, AcknowledgeType.Renew));
        fixture.Advance(LockMs / 2);
        Assert.Equal("5-9:2", b.Acquire(partition, 5));
        Assert.Equal(KafkaErrorCode.InvalidRecordState, a.Acknowledge(partition, 5, 9));
        Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 0, 1));
        fixture.Advance(LockMs / 2);
        Assert.Equal("2-4:2", b.Acquire(partition, 3));

        // Nobody says anything any more: they come until they have come too often.
        for (int i = 0; i < 10; i++)
        {
            fixture.Advance(LockMs);
            b.Acquire(partition, 100);
        }

        fixture.Advance(LockMs);
        Assert.True(fixture.Run(fixture.Shares.DescribeAsync(new SharePartitionKey("g", partition.Topic.Id, 0))).Position!.Value.StartOffset > 2);
    }

    [Fact]
    public void Locks_of_before_a_crash_are_no_more()
    {
        using var fixture = new GroupFixture();
        ShareClient a = Join(fixture, "a", fixture.CreateTopic("t").Partitions[0]);
        a.Acquire(Partition(fixture), 10);
        fixture.Advance(LockMs);
        fixture.Crash(CrashKind.Process);
        Assert.Equal("0-9:2", a.Acquire(Partition(fixture), 10));
    }

    [Fact]
    public void Whoever_waits_is_told_when_something_is_available()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 10);
        SharePartition position = a.Open(partition).Position!;
        var listener = new Listener();
        position.Shard.AddListener(position, listener);
        a.Acknowledge(partition, 0, 9, AcknowledgeType.Release);
        Assert.Equal(1, listener.Calls);
        a.Acquire(partition, 10);
        fixture.Advance(LockMs);
        Assert.Equal(2, listener.Calls);
        position.Shard.RemoveListener(position, listener);
        a.Acquire(partition, 10);
        fixture.Advance(LockMs);
        Assert.Equal(2, listener.Calls);
    }

    [Fact]
    public void The_log_of_positions_does_not_grow_without_end()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        for (int i = 0; i < 5000; i++)
        {
            a.Acquire(partition, 2);
            Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, (2 * i) + 1, (2 * i) + 1, AcknowledgeType.Reject));
            Assert.Equal(KafkaErrorCode.None, a.Acknowledge(partition, 2 * i, 2 * i));
        }

        TopicPartition kept = fixture.Broker.FindVirtualHost("/")!.FindTopic(InternalTopics.Shares)!.Partitions.Single(static one => one.EndOffset > 0);
        Assert.True(kept.EndOffset > 10_000 && kept.EndOffset - kept.StartOffset < 2000, $"{kept.StartOffset} to {kept.EndOffset}");
        fixture.Crash(CrashKind.Power);
        Assert.Equal("10000-10000:1", a.Acquire(Partition(fixture), 1));
    }

    [Fact]
    public void Only_what_a_group_reads_has_a_position_and_what_is_deleted_has_none()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        TopicPartition other = fixture.CreateTopic("u").Partitions[0];
        ShareClient a = Join(fixture, "a");
        Assert.Equal(KafkaErrorCode.UnknownServerError, a.Open(other).Error);
        a.Acquire(partition, 10);
        SharePartition position = a.Open(partition).Position!;
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, fixture.Run(fixture.Shares.DeleteAsync("g")));
        a.Leave();
        Assert.Equal(KafkaErrorCode.None, fixture.Run(fixture.Shares.DeleteAsync("g")));
        Assert.True(position.IsGone);
        Assert.Null(fixture.Run(fixture.Shares.DeleteAsync("g")));
        fixture.Crash(CrashKind.Process);
        Assert.Null(fixture.Run(fixture.Shares.DescribeAsync(new SharePartitionKey("g", Partition(fixture).Topic.Id, 0))).Position);
    }

    [Fact]
    public void Sessions_go_on_by_their_epochs_and_end_with_what_the_member_has()
    {
        using var fixture = new GroupFixture();
        TopicPartition partition = fixture.CreateTopic("t").Partitions[0];
        ShareClient a = Join(fixture, "a");
        a.Acquire(partition, 10);
        ShareSessions sessions = fixture.Shares.Sessions;
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, sessions.Continue("g", "a", 1, out _));
        Assert.Equal(KafkaErrorCode.None, sessions.Begin("g", "a", out ShareSession? session));
        Assert.True(session!.TryAdd(partition.Topic.Id, 0));
        Assert.Equal(KafkaErrorCode.InvalidShareSessionEpoch, sessions.Continue("g", "a", 2, out _));
        Assert.Equal(KafkaErrorCode.None, sessions.Continue("g", "a", 1, out _));
        Assert.Equal(KafkaErrorCode.None, sessions.Continue("g", "a", 2, out _));
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, sessions.Continue("g", "b", 1, out _));
        Assert.Equal(KafkaErrorCode.None, sessions.Continue("g", "a", -1, out _));
        fixture.Run(End());
        Assert.Equal(KafkaErrorCode.ShareSessionNotFound, sessions.Continue("g", "a", 3, out _));
        Assert.Equal("0-9:2", Join(fixture, "b").Acquire(partition, 10));
        var small = new ShareSessions(1);
        Assert.Equal(KafkaErrorCode.None, small.Begin("g", "a", out _));
        Assert.Equal(KafkaErrorCode.ShareSessionLimitReached, small.Begin("g", "b", out _));
        Assert.Equal(KafkaErrorCode.None, small.Begin("g", "a", out _));

        async Task<bool> End()
        {
            await fixture.Shares.EndAsync(session);
            return true;
        }
    }

    [Fact]
    public void Configurations_of_groups_are_checked_and_kept()
    {
        using var fixture = new GroupFixture();
        Assert.NotNull(GroupConfigKey.Problem(new Dictionary<string, string> { ["share.nothing"] = "1" }));
        Assert.NotNull(GroupConfigKey.Problem(new Dictionary<string, string> { [GroupConfigKey.RecordLockDurationMs] = "14999" }));
        Assert.NotNull(GroupConfigKey.Problem(new Dictionary<string, string> { [GroupConfigKey.AutoOffsetReset] = "by_duration:P" }));
        var config = new Dictionary<string, string> { [GroupConfigKey.RecordLockDurationMs] = "15000", [GroupConfigKey.AutoOffsetReset] = "by_duration:PT1H", [GroupConfigKey.IsolationLevel] = "read_committed" };
        Assert.Null(GroupConfigKey.Problem(config));
        fixture.Run(Set(config));
        fixture.Crash(CrashKind.Power);
        Assert.Equal((15_000, true, true, 5), (fixture.Shares.SettingsOf("g").RecordLockDurationMs, fixture.Shares.SettingsOf("g").ReadsCommitted, fixture.Shares.SettingsOf("g").MayRenew, fixture.Shares.SettingsOf("g").DeliveryCountMax));
        fixture.Run(Set([]));
        Assert.Equal(30_000, fixture.Shares.SettingsOf("g").RecordLockDurationMs);

        async Task<bool> Set(Dictionary<string, string> settings)
        {
            await fixture.Groups.Configs.SetAsync("g", settings);
            return true;
        }
    }

    /// <summary>Accepts piece by piece, with a checkpoint between; returns below which offset all was accepted and answered.</summary>
    private static long Work(GroupFixture fixture)
    {
        long accepted = 0;
        try
        {
            ShareClient a = Join(fixture, "a");
            for (int i = 0; i < PiecesMax; i++)
            {
                Assert.NotEqual("", a.Acquire(Partition(fixture), 3));
                Assert.Equal(KafkaErrorCode.None, a.Acknowledge(Partition(fixture), accepted + 1, accepted + 2));
                Assert.Equal(KafkaErrorCode.None, a.Acknowledge(Partition(fixture), accepted, accepted));
                accepted += 3;
                if (i == 3)
                {
                    fixture.Store.Checkpoint();
                }
            }
        }
        catch (Exception error) when (error is IOException or AggregateException or Xunit.Sdk.XunitException)
        {
            // The disk has failed: nothing is acknowledged from then on.
        }

        return accepted;
    }

    private static TopicPartition Partition(GroupFixture fixture) => fixture.Broker.FindVirtualHost("/")!.FindTopic("t")!.Partitions[0];

    private static ShareClient Join(GroupFixture fixture, string id, TopicPartition? partition = null)
    {
        var client = new ShareClient(fixture, "g", id);
        Assert.Equal(KafkaErrorCode.None, client.Join(partition?.Topic.Name ?? "t").ErrorCode);
        return client;
    }

    private sealed class Listener : IShareListener
    {
        public int Calls { get; private set; }

        public void OnChanged() => Calls++;
    }
}
