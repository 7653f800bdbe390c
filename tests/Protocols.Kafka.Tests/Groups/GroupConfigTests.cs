using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Protocols.Kafka.Wire;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>What the configuration of a consumer group does.</summary>
public sealed class GroupConfigTests
{
    [Fact]
    public void The_session_timeout_and_the_heartbeat_interval_are_those_of_the_group()
    {
        using GroupFixture fixture = Start(intervalMs: 0);
        Set(fixture, (GroupConfigKey.ConsumerSessionTimeoutMs, "60000"), (GroupConfigKey.ConsumerHeartbeatIntervalMs, "9000"));
        ConsumerClient a = new(fixture, "g", "a");
        Assert.Equal(9000, a.Join("t").HeartbeatIntervalMs);
        fixture.Advance(59_999);
        Assert.Equal(KafkaErrorCode.None, a.Heartbeat().ErrorCode);
        Set(fixture);
        Assert.Equal(5000, a.Heartbeat().HeartbeatIntervalMs);
        fixture.Advance(45_000);
        Assert.Equal(KafkaErrorCode.UnknownMemberId, a.Heartbeat().ErrorCode);
    }

    [Fact]
    public void Members_that_come_one_after_another_are_assigned_together()
    {
        using GroupFixture fixture = Start(intervalMs: 1000);
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b"), c = new(fixture, "g", "c");
        a.Join("t");
        Assert.Equal(6, a.Count);
        fixture.Advance(1);
        Assert.Equal((1, 0), (b.Join("t").MemberEpoch, b.Count));
        Assert.Equal(1, c.Join("t").MemberEpoch);
        Assert.Equal((1, 6), (a.Heartbeat().MemberEpoch, a.Count));

        // When that was is known after a restart too.
        fixture.Crash(CrashKind.Power);
        Assert.Equal(1, b.Heartbeat().MemberEpoch);
        fixture.Advance(999);
        for (int i = 0; i < 3; i++)
        {
            a.Heartbeat();
            b.Heartbeat();
            c.Heartbeat();
        }

        Assert.Equal((2, 2, 2), (a.Count, b.Count, c.Count));
        Assert.Equal((3, 3, 3), (a.Epoch, b.Epoch, c.Epoch));
    }

    [Fact]
    public void A_group_may_be_assigned_anew_at_any_time()
    {
        using GroupFixture fixture = Start(intervalMs: 1000);
        Set(fixture, (GroupConfigKey.ConsumerAssignmentIntervalMs, "0"));
        ConsumerClient a = new(fixture, "g", "a"), b = new(fixture, "g", "b");
        a.Join("t");
        Assert.Equal(2, b.Join("t").MemberEpoch);
    }

    [Fact]
    public void A_clock_that_has_gone_back_holds_nothing_up()
    {
        Assert.True(AssignmentInterval.IsOver(0, 1000, 5));
        Assert.False(AssignmentInterval.IsOver(5000, 1000, 5999));
        Assert.True(AssignmentInterval.IsOver(5000, 1000, 6000));
        Assert.True(AssignmentInterval.IsOver(5000, 1000, 4999));
    }

    [Fact]
    public void What_is_imported_and_is_so_already_is_told_when_it_is_kept()
    {
        using GroupFixture fixture = Start(0);
        (string, IReadOnlyDictionary<string, string>)[] wanted = [("g", new Dictionary<string, string> { ["consumer.session.timeout.ms"] = "50000" })];
        Task<(IReadOnlyList<PutOutcome> Outcomes, int? Beyond)> first = fixture.Groups.Configs.SetAsync(wanted, 1);
        Task<(IReadOnlyList<PutOutcome> Outcomes, int? Beyond)> second = fixture.Groups.Configs.SetAsync(wanted, 1);
        Assert.False(second.IsCompleted, "The second is answered before anything is on disk.");
        Assert.Equal([PutOutcome.Created], fixture.Run(first).Outcomes);
        Assert.Equal([PutOutcome.Unchanged], fixture.Run(second).Outcomes);
        Assert.Equal(1, fixture.Run(fixture.Groups.Configs.SetAsync([.. wanted, ("h", wanted[0].Item2)], 1)).Beyond);
        fixture.Disk.Fault = static _ => new IOException("No space left on device");
        Fails(() => fixture.Run(fixture.Groups.Configs.SetAsync([("g", new Dictionary<string, string>())], 1)));
        Fails(() => fixture.Run(fixture.Groups.Configs.SetAsync([("g", new Dictionary<string, string>())], 1)));
        fixture.Disk.Fault = null;
    }

    /// <summary>Whoever waits for it may hear it wrapped.</summary>
    private static void Fails(Action action)
    {
        Exception error = Assert.ThrowsAny<Exception>(action);
        Assert.IsAssignableFrom<IOException>(error is AggregateException many ? many.InnerException : error);
    }

    private static GroupFixture Start(int intervalMs)
    {
        var fixture = new GroupFixture(new GroupOptions { OffsetsTopicPartitions = 1, AssignmentIntervalMs = intervalMs });
        fixture.CreateTopic("t", 6);
        return fixture;
    }

    private static void Set(GroupFixture fixture, params (string Key, string Value)[] config)
    {
        fixture.Run(Done());

        async Task<bool> Done()
        {
            await fixture.Groups.Configs.SetAsync("g", config.ToDictionary(static setting => setting.Key, static setting => setting.Value));
            return true;
        }
    }
}
