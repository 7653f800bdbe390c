using Sluice.Base.Buffers;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Storage;
using Sluice.TestKit.Disk;

namespace Sluice.Protocols.Kafka.Tests.Transactions;

/// <summary>Transactions over partitions and groups, with virtual time.</summary>
public sealed class CoordinatorTests
{
    [Fact]
    public void What_is_rolled_back_is_not_committed_and_what_goes_on_is_not_stable()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t", 2);
        ProducerIdentity producer = fixture.Initialize("a");
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "one"));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 1, "two"));
        Assert.Empty(fixture.Committed("t", 0));
        producer = Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(["one"], fixture.Committed("t", 0));
        Assert.Equal(["two"], fixture.Committed("t", 1));

        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "lost"));
        producer = Next(fixture.End("a", producer, isCommit: false));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "three"));
        Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(["one", "three"], fixture.Committed("t", 0));
    }

    [Theory]
    [InlineData(long.MaxValue / 2)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    public void A_record_with_a_time_that_cannot_be_keeps_nobody_from_being_served(long updateMs)
    {
        using var fixture = new TransactionFixture();
        ProducerIdentity before = fixture.Initialize("a");
        TopicPartition kept = fixture.Host.FindTopic(InternalTopics.Transactions)!.Partitions.Single(static one => one.EndOffset > 0);
        byte[] batch = TransactionRecord.ToBatch(new BufferPool(), "odd", Transaction.New("odd", 77, TransactionFixture.TimeoutMs, updateMs), nowMs: 0);
        Assert.Equal(PartitionStatus.Ok, kept.Append(batch, Durability.Disk, out _, out _));
        fixture.Initialize("a", before);
        fixture.Crash(CrashKind.Power);
        Assert.True(fixture.Initialize("a").Epoch > before.Epoch);
    }

    [Fact]
    public void Batches_are_taken_only_of_a_transaction_that_has_the_partition()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t", 2);
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, fixture.Write("a", new(0, 0), "t", 0, "x", adds: false));
        ProducerIdentity producer = fixture.Initialize("a");
        Assert.Equal(KafkaErrorCode.TransactionAbortable, fixture.Write("a", producer, "t", 0, "x", adds: false));
        Assert.Equal(KafkaErrorCode.None, fixture.Add("a", producer, "t", 0));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "x", adds: false));
        Assert.Equal(KafkaErrorCode.TransactionAbortable, fixture.Write("a", producer, "t", 1, "x", adds: false));
        Assert.Equal(KafkaErrorCode.None, fixture.End("a", producer, isCommit: true, TransactionFixture.Old).ErrorCode);
        Assert.Equal(KafkaErrorCode.TransactionAbortable, fixture.Write("a", producer, "t", 0, "late", sequence: 1, adds: false));
        ProducerIdentity newer = fixture.Initialize("a");
        Assert.Equal(KafkaErrorCode.ProducerFenced, fixture.Write("a", producer, "t", 0, "late", sequence: 1, adds: false));
        Assert.Equal(KafkaErrorCode.ProducerFenced, fixture.Write("a", producer, "t", 0, "late", sequence: 1));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", newer, "t", 0, "new"));
    }

    [Fact]
    public void Who_begins_again_ends_what_the_one_before_left()
    {
        using var fixture = new TransactionFixture();
        Topic topic = fixture.CreateTopic("t", 2);
        ProducerIdentity before = fixture.Initialize("a");
        fixture.Write("a", before, "t", 0, "left");
        fixture.Write("a", before, "t", 1, "left");
        ProducerIdentity after = fixture.Initialize("a");
        Assert.True(after.Epoch > before.Epoch);
        Assert.All(topic.Partitions, static partition => Assert.Equal(partition.EndOffset, partition.LastStableOffset));
        Assert.Empty(fixture.Committed("t", 0));
        Assert.Equal(KafkaErrorCode.ProducerFenced, fixture.End("a", before, isCommit: true).ErrorCode);
    }

    [Fact]
    public void A_transaction_whose_time_is_over_is_rolled_back()
    {
        using var fixture = new TransactionFixture();
        Topic topic = fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.Write("a", producer, "t", 0, "x");
        fixture.Advance(TransactionFixture.TimeoutMs - 1);
        Assert.Equal(TransactionStatus.Ongoing, fixture.State("a").Status);
        fixture.Advance(1);
        Assert.Equal(TransactionStatus.CompleteAbort, fixture.State("a").Status);
        Assert.Equal(topic.Partitions[0].EndOffset, topic.Partitions[0].LastStableOffset);
        Assert.Equal(KafkaErrorCode.ProducerFenced, fixture.Write("a", producer, "t", 0, "y", sequence: 1));
        producer = Next(fixture.End("a", producer, isCommit: false));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "z"));
        Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(["z"], fixture.Committed("t", 0));
    }

    [Fact]
    public void Also_after_a_restart_its_time_counts_from_the_beginning()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.Write("a", producer, "t", 0, "x");
        fixture.Run(fixture.Transactions.DescribeAsync("a"));
        fixture.Advance(TransactionFixture.TimeoutMs - 10);
        fixture.Crash(CrashKind.Process);
        Assert.Equal(TransactionStatus.Ongoing, fixture.State("a").Status);
        fixture.Advance(10);
        Assert.Equal(TransactionStatus.CompleteAbort, fixture.State("a").Status);
        Assert.Empty(fixture.Hanging());
    }

    [Fact]
    public void Offsets_count_when_the_transaction_is_committed()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        Assert.Equal(KafkaErrorCode.None, fixture.CommitOffset("a", producer, "g", "t", 0, 5));
        Assert.Null(fixture.Offset("g", "t", 0));
        Assert.Equal(-1, fixture.Offset("g", "t", 0, requiresStable: false));
        producer = Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(5, fixture.Offset("g", "t", 0));

        Assert.Equal(KafkaErrorCode.None, fixture.CommitOffset("a", producer, "g", "t", 0, 9));
        Assert.Equal(5, fixture.Offset("g", "t", 0, requiresStable: false));
        Next(fixture.End("a", producer, isCommit: false));
        Assert.Equal(5, fixture.Offset("g", "t", 0));
    }

    [Fact]
    public void Offsets_are_taken_only_of_a_transaction_and_of_a_member_of_the_generation()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        Assert.Equal(KafkaErrorCode.TransactionAbortable, fixture.CommitOffset("a", producer, "g", "t", 0, 5, adds: false));
        Assert.Equal(KafkaErrorCode.None, fixture.Run(fixture.Transactions.AddOffsetsAsync("a", producer, "g")));
        Assert.Equal(KafkaErrorCode.IllegalGeneration, fixture.CommitOffset("a", producer, "g", "t", 0, 5, adds: false, generation: 3, member: "m"));
        Assert.Equal(KafkaErrorCode.None, fixture.CommitOffset("a", producer, "g", "t", 0, 5, adds: false));
        Assert.Equal(KafkaErrorCode.UnknownMemberId, fixture.CommitOffset("a", producer, "g", "t", 0, 6, adds: false, generation: 3, member: "m"));
        Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(5, fixture.Offset("g", "t", 0));
    }

    [Fact]
    public void An_offset_committed_later_wins_over_a_transaction_that_ends_later()
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.CommitOffset("a", producer, "g", "t", 0, 5);
        var result = new OffsetCommitResponse.OffsetCommitResponsePartition();
        var request = new OffsetCommitRequest { GroupId = "g", RetentionTimeMs = -1, GenerationIdOrMemberEpoch = -1 };
        fixture.Run(Commit());
        Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(7, fixture.Offset("g", "t", 0));
        fixture.Crash(CrashKind.Power);
        Assert.Equal(7, fixture.Offset("g", "t", 0));

        async Task<bool> Commit()
        {
            await fixture.Groups.CommitAsync(request, 9, [new(fixture.Groups.Topics.Find("t")!.Value, new OffsetCommitRequest.OffsetCommitRequestPartition { CommittedOffset = 7 }, result)]);
            return true;
        }
    }

    [Theory]
    [InlineData(CrashKind.Process)]
    [InlineData(CrashKind.Power)]
    public void After_a_restart_all_is_what_it_was(CrashKind kind)
    {
        using var fixture = new TransactionFixture();
        fixture.CreateTopic("t", 2);
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.Write("a", producer, "t", 0, "committed");
        fixture.CommitOffset("a", producer, "g", "t", 0, 1);
        producer = Next(fixture.End("a", producer, isCommit: true));
        ProducerIdentity open = fixture.Initialize("b", fixture.Initialize("b"));
        Assert.Equal(KafkaErrorCode.None, fixture.Add("b", open, "t", 0));
        fixture.Write("b", open, "t", 1, "open");
        fixture.CommitOffset("b", open, "g", "t", 1, 8);
        fixture.Initialize("c");
        string before = fixture.Everything();

        fixture.Crash(kind);
        Assert.Equal(before, fixture.Everything());
        Assert.Equal(["committed"], fixture.Committed("t", 0));
        Assert.Equal(1, fixture.Offset("g", "t", 0));
        Assert.Null(fixture.Offset("g", "t", 1));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("b", open, "t", 1, "more", sequence: 1, adds: false));
        Next(fixture.End("b", open, isCommit: true));
        Assert.Equal(["open", "more"], fixture.Committed("t", 1));
        Assert.Equal(8, fixture.Offset("g", "t", 1));
        Assert.Equal(KafkaErrorCode.None, fixture.Write("a", producer, "t", 0, "on"));
    }

    [Fact]
    public void Ids_and_producers_that_nobody_uses_are_forgotten()
    {
        using var fixture = new TransactionFixture();
        Topic topic = fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.Write("a", producer, "t", 0, "x");
        Next(fixture.End("a", producer, isCommit: true));
        long week = (long)TimeSpan.FromDays(7).TotalMilliseconds;
        fixture.Advance(week - 1);
        Assert.NotEmpty(fixture.Everything());
        fixture.Advance(1);
        Assert.Empty(fixture.Everything());
        using (var expiry = new ProducerExpiry(new TransactionOptions(), () => fixture.Host, fixture.Scheduler, fixture.Clock))
        {
            Assert.Single(topic.Partitions[0].DescribeProducers());
            fixture.Advance((long)TimeSpan.FromMinutes(10).TotalMilliseconds);
            Assert.Empty(topic.Partitions[0].DescribeProducers());
        }

        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, fixture.Write("a", producer, "t", 0, "y"));
        fixture.Crash(CrashKind.Power);
        Assert.Empty(fixture.Everything());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData((15 * 60 * 1000) + 1)]
    public void Timeouts_have_a_maximum(int timeoutMs)
    {
        using var fixture = new TransactionFixture();
        Assert.Equal(KafkaErrorCode.InvalidTransactionTimeout, fixture.InitializeError("a", timeoutMs: timeoutMs));
        Assert.Equal(KafkaErrorCode.InvalidRequest, fixture.InitializeError(""));
    }

    [Fact]
    public void A_topic_deleted_in_the_midst_of_a_transaction_is_passed_over()
    {
        using var fixture = new TransactionFixture();
        Topic gone = fixture.CreateTopic("gone");
        fixture.CreateTopic("t");
        ProducerIdentity producer = fixture.Initialize("a");
        fixture.Write("a", producer, "gone", 0, "x");
        fixture.Write("a", producer, "t", 0, "y");
        fixture.Run(fixture.Host.DeleteTopicAsync(gone).AsTask());
        Next(fixture.End("a", producer, isCommit: true));
        Assert.Equal(["y"], fixture.Committed("t", 0));
    }

    private static ProducerIdentity Next(EndTxnResponse response)
    {
        Assert.Equal(KafkaErrorCode.None, response.ErrorCode);
        return new ProducerIdentity(response.ProducerId, response.ProducerEpoch);
    }
}
