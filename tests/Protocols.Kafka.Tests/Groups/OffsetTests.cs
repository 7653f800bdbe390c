using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Tests.Groups;

/// <summary>Committed offsets: who may commit, what is kept, when it goes.</summary>
public sealed class OffsetTests
{
    private const int Day = 24 * 60 * 60 * 1000;

    [Fact]
    public void Who_assigns_partitions_by_itself_commits_without_being_a_member()
    {
        using var fixture = new GroupFixture();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 5, metadata: "!"));
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 1, 6));
        Assert.Equal(["t:0=5!", "t:1=6"], fixture.Offsets("g"));
        Assert.Equal("Empty", fixture.State("g"));
        Assert.Empty(fixture.Offsets("other"));
    }

    [Fact]
    public void Members_commit_in_their_generation_only()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1, member.MemberId, member.GenerationId));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Commit("g", "t", 0, 2, member.MemberId, member.GenerationId + 1));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Commit("g", "t", 0, 2, "nobody", member.GenerationId));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.Commit("g", "t", 0, 2));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.Commit("none", "t", 0, 2, "nobody", 1, version: 8));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, fixture.Commit("none", "t", 0, 2, "nobody", 1, version: 9));
        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
        fixture.JoinAsync(GroupFixture.JoinRequest("g", member.MemberId));
        Assert.Equal(KafkaErrorCode.RebalanceInProgress, fixture.Commit("g", "t", 0, 3, member.MemberId, member.GenerationId + 1));
    }

    [Fact]
    public void While_members_join_again_they_commit_what_they_have_done()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId));
        Assert.Equal("PreparingRebalance", fixture.State("g"));
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 3, members[1].MemberId, members[1].GenerationId));
    }

    [Fact]
    public void Metadata_has_a_limit()
    {
        using var fixture = new GroupFixture();
        Assert.Equal(KafkaErrorCode.None, fixture.Commit("g", "t", 0, 1, metadata: new string('x', 4096)));
        Assert.Equal(KafkaErrorCode.OffsetMetadataTooLarge, fixture.Commit("g", "t", 0, 2, metadata: new string('x', 4097)));
        Assert.StartsWith("t:0=1x", Assert.Single(fixture.Offsets("g")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_commit_is_answered_when_it_is_kept()
    {
        using var fixture = new GroupFixture();
        fixture.Commit("g", "t", 0, 1);
        Task<KafkaErrorCode> commit = fixture.CommitAsync("g", "t", 0, 2);
        Assert.False(commit.IsCompleted);
        Task<OffsetFetchResponse.OffsetFetchResponseGroup> fetch = fixture.Groups.FetchAsync(new OffsetFetchRequest.OffsetFetchRequestGroup { GroupId = "g", Topics = null });
        Assert.False(fetch.IsCompleted);
        Assert.Equal(KafkaErrorCode.None, fixture.Run(commit));
        Assert.Equal(2, fixture.Run(fetch).Topics[0].Partitions[0].CommittedOffset);
    }

    [Fact]
    public void A_commit_that_cannot_be_kept_is_refused()
    {
        using var fixture = new GroupFixture();
        fixture.Commit("g", "t", 0, 1);
        fixture.Disk.Fault = static _ => new IOException("No space left on device");
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Commit("g", "t", 0, 2));
        fixture.Disk.Fault = null;
        fixture.Crash(TestKit.Disk.CrashKind.Power);
        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
    }

    [Fact]
    public void Who_waits_in_a_group_that_cannot_be_kept_any_more_is_told()
    {
        using var fixture = new GroupFixture(new GroupOptions { InitialRebalanceDelayMs = 0, OffsetsTopicPartitions = 1 });
        JoinGroupResponse[] members = fixture.Stable("g", 2);
        Task<JoinGroupResponse> waiting = fixture.Wait(fixture.JoinAsync(GroupFixture.JoinRequest("g", members[0].MemberId)));
        fixture.Disk.Fault = static _ => new IOException("No space left on device");
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Commit("other", "t", 0, 2));
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Commit("other", "t", 0, 2));
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Run(waiting).ErrorCode);
        Assert.Equal(KafkaErrorCode.NotCoordinator, fixture.Heartbeat("g", members[1]));
        fixture.Disk.Fault = null;
    }

    [Fact]
    public void KIP_211_offsets_expire_some_time_after_the_last_member_has_gone()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        fixture.Commit("g", "t", 0, 1, member.MemberId, member.GenerationId);
        for (int i = 0; i < 8 * Day / 9000; i++)
        {
            fixture.Advance(9000);
            Assert.Equal(KafkaErrorCode.None, fixture.Heartbeat("g", member));
        }

        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
        fixture.Run(fixture.Groups.LeaveAsync("g", [new() { MemberId = member.MemberId }]));
        fixture.Advance(7 * Day - 1);
        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
        fixture.Advance(600_001);
        Assert.Empty(fixture.Offsets("g"));
        Assert.Equal("Dead", fixture.State("g"));
        fixture.Crash(TestKit.Disk.CrashKind.Power);
        Assert.Equal("", fixture.Everything());
    }

    [Fact]
    public void KIP_211_without_members_each_offset_has_its_own_time()
    {
        using var fixture = new GroupFixture();
        fixture.Commit("g", "t", 0, 1);
        fixture.Advance(4 * Day);
        fixture.Commit("g", "t", 1, 1);
        fixture.Commit("g", "t", 2, 1, version: 4, retentionMs: Day);
        fixture.Advance(4 * Day);
        Assert.Equal(["t:1=1"], fixture.Offsets("g"));
    }

    [Fact]
    public void KIP_496_offsets_of_topics_that_are_read_are_not_deleted()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        fixture.Commit("g", "t", 0, 1, member.MemberId, member.GenerationId);
        fixture.Commit("g", "u", 0, 1, member.MemberId, member.GenerationId);
        OffsetDeleteResponse deleted = fixture.Run(fixture.Groups.DeleteOffsetsAsync(Deletion("g", "t", "u")));
        Assert.Equal([KafkaErrorCode.GroupSubscribedToTopic, KafkaErrorCode.None], deleted.Topics.Select(static topic => topic.Partitions[0].ErrorCode));
        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
        Assert.Equal(KafkaErrorCode.GroupIdNotFound, fixture.Run(fixture.Groups.DeleteOffsetsAsync(Deletion("none", "t"))).ErrorCode);
        fixture.Run(fixture.JoinAsync(GroupFixture.JoinRequest("c", type: "connect"), version: 3));
        Assert.Equal(KafkaErrorCode.NonEmptyGroup, fixture.Run(fixture.Groups.DeleteOffsetsAsync(Deletion("c", "t"))).ErrorCode);
    }

    [Fact]
    public void KIP_496_offsets_of_topics_that_are_read_no_more_expire_while_the_group_lives()
    {
        using var fixture = new GroupFixture();
        JoinGroupResponse member = fixture.Stable("g", 1)[0];
        fixture.Commit("g", "t", 0, 1, member.MemberId, member.GenerationId);
        fixture.Commit("g", "u", 0, 1, member.MemberId, member.GenerationId);
        for (int i = 0; i < 8 * Day / 9000; i++)
        {
            fixture.Advance(9000);
            fixture.Heartbeat("g", member);
        }

        Assert.Equal(["t:0=1"], fixture.Offsets("g"));
    }

    [Fact]
    public void A_deleted_group_has_no_offsets()
    {
        using var fixture = new GroupFixture();
        fixture.Commit("g", "t", 0, 1);
        Assert.Equal(KafkaErrorCode.None, fixture.Run(fixture.Groups.DeleteAsync("g")));
        fixture.Crash(TestKit.Disk.CrashKind.Power);
        Assert.Equal("", fixture.Everything());
    }

    [Fact]
    public void Offsets_of_a_topic_say_nothing_of_a_later_one_of_its_name()
    {
        using var fixture = new GroupFixture();
        Sluice.Broker.Topics.Topic topic = fixture.CreateTopic("t");
        fixture.Commit("g", "t", 0, 7);
        fixture.Commit("g", "u", 0, 7);
        Assert.Equal(["t:0=7", "u:0=7"], fixture.Offsets("g"));
        fixture.Run(topic.Host.DeleteTopicAsync(topic).AsTask());
        fixture.CreateTopic("t");
        Assert.Equal(["t:0=-1", "u:0=7"], fixture.Offsets("g"));
        Assert.True(fixture.Run(Deleted()));
        Assert.Equal(["u:0=7"], fixture.Offsets("g"));

        async Task<bool> Deleted()
        {
            await fixture.Groups.OnTopicDeletedAsync("t");
            return true;
        }
    }

    [Fact]
    public void A_commit_of_many_partitions_is_kept_whole()
    {
        using var fixture = new GroupFixture();
        string metadata = new('m', 4000);
        Task<KafkaErrorCode>[] commits = [.. Enumerable.Range(0, 400).Select(i => fixture.CommitAsync("g", "t", i, i, metadata: metadata))];
        Assert.All(commits, commit => Assert.Equal(KafkaErrorCode.None, fixture.Run(commit)));
        string[] before = fixture.Offsets("g");
        fixture.Crash(TestKit.Disk.CrashKind.Power);
        Assert.Equal(before, fixture.Offsets("g"));
        Assert.Equal(400, before.Length);
    }

    private static OffsetDeleteRequest Deletion(string group, params string[] topics) => new()
    {
        GroupId = group,
        Topics = [.. topics.Select(static topic => new OffsetDeleteRequest.OffsetDeleteRequestTopic { Name = topic, Partitions = [new() { PartitionIndex = 0 }] })],
    };
}
