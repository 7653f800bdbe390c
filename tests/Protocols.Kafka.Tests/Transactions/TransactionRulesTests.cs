using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Protocols.Kafka.Transactions;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Protocols.Kafka.Tests.Transactions;

/// <summary>What producers may do, and the errors of Kafka's coordinator if they may not.</summary>
public sealed class TransactionRulesTests
{
    private const short Old = 0, New = 2, Max = short.MaxValue - 1;

    private static readonly TopicIndex[] s_partitions = [new("t", 0)];

    [Fact]
    public void A_new_id_begins_with_epoch_0_of_a_new_producer_id()
    {
        Assert.True(Initialize(null).WantsProducerId);
        Transaction state = Initialize(null, newProducerId: 7).Next!;
        Assert.Equal((7L, (short)0, TransactionStatus.Empty), (state.ProducerId, state.Epoch, state.Status));
    }

    [Fact]
    public void Who_begins_again_fences_the_one_before()
    {
        Transaction state = Initialize(Empty(5)).Next!;
        Assert.Equal((1L, (short)6, (short)-1), (state.ProducerId, state.Epoch, state.LastEpoch));
        Assert.Equal(KafkaErrorCode.ProducerFenced, TransactionRules.AddPartitions(state, new(1, 5), s_partitions, Old, 0).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, Initialize(state, new(1, 5)).Error);
    }

    [Fact]
    public void KIP_360_a_producer_goes_on_with_the_next_epoch_and_may_ask_twice()
    {
        Transaction state = Initialize(Empty(5), new(1, 5)).Next!;
        Assert.Equal(((short)6, (short)5), (state.Epoch, state.LastEpoch));
        Assert.Equal(6, Initialize(state, new(1, 5)).Next!.Epoch);
        Assert.Equal(7, Initialize(state, new(1, 6)).Next!.Epoch);
        Assert.Equal(KafkaErrorCode.ProducerFenced, Initialize(state, new(1, 4)).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, Initialize(state, new(2, 6)).Error);
    }

    [Fact]
    public void KIP_360_after_the_last_epoch_comes_another_producer_id()
    {
        Assert.True(Initialize(Empty(Max)).WantsProducerId);
        Transaction state = Initialize(Empty(Max), new(1, Max), newProducerId: 9).Next!;
        Assert.Equal((9L, (short)0, 1L, Max), (state.ProducerId, state.Epoch, state.PreviousProducerId, state.LastEpoch));

        // The answer was lost: the producer asks again as whom it was.
        Transaction again = Initialize(state, new(1, Max)).Next!;
        Assert.Equal((9L, (short)0), (again.ProducerId, again.Epoch));
    }

    [Fact]
    public void Who_begins_rolls_back_what_was_left_open()
    {
        TransactionStep step = Initialize(Ongoing(5));
        Assert.Equal(((short)5, (short)6, false), (step.End!.Transaction.Epoch, step.End.MarkerEpoch, step.End.IsCommit));
        Assert.Equal(((short)7, TransactionStatus.Empty, 0), (step.Next!.Epoch, step.Next.Status, step.Next.Partitions.Count));

        // The producer itself, after an error, has the epoch of its markers.
        TransactionStep own = Initialize(Ongoing(5), new(1, 5));
        Assert.Equal(((short)6, (short)6, (short)5), (own.End!.MarkerEpoch, own.Next!.Epoch, own.Next.LastEpoch));
    }

    [Fact]
    public void A_fenced_producer_rolls_nothing_back()
    {
        TransactionStep step = Initialize(Ongoing(5), new(1, 4));
        Assert.Equal(KafkaErrorCode.ProducerFenced, step.Error);
        Assert.Null(step.End);
        Assert.Null(step.Next);
    }

    [Fact]
    public void The_last_epoch_can_be_fenced()
    {
        Assert.True(Initialize(Ongoing(Max)).WantsProducerId);
        TransactionStep step = Initialize(Ongoing(Max), new(1, Max), newProducerId: 9);
        Assert.Equal(short.MaxValue, step.End!.MarkerEpoch);
        Assert.Equal((9L, (short)0, 1L, Max), (step.Next!.ProducerId, step.Next.Epoch, step.Next.PreviousProducerId, step.Next.LastEpoch));
    }

    [Fact]
    public void Partitions_are_added_to_who_is_known()
    {
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, TransactionRules.AddPartitions(null, new(1, 0), s_partitions, Old, 0).Error);
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, TransactionRules.AddPartitions(Empty(0), new(2, 0), s_partitions, Old, 0).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, TransactionRules.AddPartitions(Empty(1), new(1, 0), s_partitions, Old, 0).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, TransactionRules.AddPartitions(Empty(1), new(1, 2), s_partitions, Old, 0).Error);
        Transaction begun = TransactionRules.AddPartitions(Empty(0), new(1, 0), s_partitions, New, 50).Next!;
        Assert.Equal((TransactionStatus.Ongoing, 50L, New), (begun.Status, begun.StartMs, begun.ClientVersion));
        Assert.Null(TransactionRules.AddPartitions(begun, new(1, 0), s_partitions, New, 60).Next);
        Transaction more = TransactionRules.AddPartitions(begun, new(1, 0), [new("t", 1)], New, 60).Next!;
        Assert.Equal((2, 50L), (more.Partitions.Count, more.StartMs));
    }

    [Fact]
    public void KIP_890_only_partitions_of_the_transaction_are_verified()
    {
        Assert.Equal(KafkaErrorCode.None, TransactionRules.Verify(Ongoing(0), new(1, 0), new("t", 0)));
        Assert.Equal(KafkaErrorCode.TransactionAbortable, TransactionRules.Verify(Ongoing(0), new(1, 0), new("t", 1)));
        Assert.Equal(KafkaErrorCode.TransactionAbortable, TransactionRules.Verify(Empty(0), new(1, 0), new("t", 0)));
        Assert.Equal(KafkaErrorCode.ProducerFenced, TransactionRules.Verify(Ongoing(1), new(1, 0), new("t", 0)));
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, TransactionRules.Verify(null, new(1, 0), new("t", 0)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void KIP_98_the_end_of_a_transaction_leaves_the_epoch_and_may_be_repeated(bool isCommit)
    {
        TransactionStep step = End(Ongoing(3), new(1, 3), isCommit, Old);
        Assert.Equal(((short)3, isCommit), (step.End!.MarkerEpoch, step.End.IsCommit));
        Assert.Equal(((short)3, 0), (step.Next!.Epoch, step.Next.Partitions.Count));
        Assert.Equal(TransactionStep.Done, End(step.Next, new(1, 3), isCommit, Old));
        Assert.Equal(KafkaErrorCode.InvalidTxnState, End(step.Next, new(1, 3), !isCommit, Old).Error);
        Assert.Equal(KafkaErrorCode.InvalidTxnState, End(Empty(3), new(1, 3), isCommit, Old).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, End(Ongoing(3), new(1, 2), isCommit, Old).Error);
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, End(Ongoing(3), new(2, 3), isCommit, Old).Error);
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, End(null, new(1, 3), isCommit, Old).Error);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void KIP_890_every_end_gives_the_next_epoch_and_may_be_repeated(bool isCommit)
    {
        TransactionStep step = End(Ongoing(3), new(1, 3), isCommit, New);
        Assert.Equal(4, step.End!.MarkerEpoch);
        Assert.Equal(((short)4, (short)3), (step.Next!.Epoch, step.Next.LastEpoch));
        Assert.Equal(TransactionStep.Done, End(step.Next, new(1, 3), isCommit, New));
        Assert.Equal(KafkaErrorCode.InvalidTxnState, End(step.Next, new(1, 3), !isCommit, New).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, End(step.Next, new(1, 2), isCommit, New).Error);
    }

    [Fact]
    public void KIP_890_what_has_no_partitions_can_be_rolled_back_but_not_committed()
    {
        TransactionStep step = End(Empty(3), new(1, 3), isCommit: false, New);
        Assert.Null(step.End);
        Assert.Equal(((short)4, TransactionStatus.CompleteAbort), (step.Next!.Epoch, step.Next.Status));
        Assert.Equal(KafkaErrorCode.InvalidTxnState, End(Empty(3), new(1, 3), isCommit: true, New).Error);
    }

    [Fact]
    public void KIP_890_the_last_epoch_ends_with_another_producer_id_and_may_be_repeated()
    {
        Assert.True(End(Ongoing(Max), new(1, Max), isCommit: true, New).WantsProducerId);
        TransactionStep step = End(Ongoing(Max), new(1, Max), isCommit: true, New, newProducerId: 9);
        Assert.Equal(short.MaxValue, step.End!.MarkerEpoch);
        Assert.Equal((9L, (short)0, 1L), (step.Next!.ProducerId, step.Next.Epoch, step.Next.PreviousProducerId));
        Assert.Equal(TransactionStep.Done, End(step.Next, new(1, Max), isCommit: true, New));
        Assert.Equal(KafkaErrorCode.InvalidProducerIdMapping, End(Initialize(step.Next).Next, new(1, Max), isCommit: true, New).Error);
    }

    [Fact]
    public void KIP_890_whose_time_is_over_may_roll_back_and_go_on_but_not_commit()
    {
        Transaction ongoing = Ongoing(3);
        Assert.Equal(TransactionStep.Done, TransactionRules.TimeOut(ongoing, ongoing.StartMs + ongoing.TimeoutMs - 1));
        TransactionStep step = TransactionRules.TimeOut(ongoing, ongoing.StartMs + ongoing.TimeoutMs);
        Assert.Equal(((short)4, false), (step.End!.MarkerEpoch, step.End.IsCommit));
        Assert.Equal(TransactionStep.Done, End(step.Next, new(1, 3), isCommit: false, New));
        Assert.Equal(KafkaErrorCode.InvalidTxnState, End(step.Next, new(1, 3), isCommit: true, New).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, End(step.Next, new(1, 3), isCommit: false, Old).Error);
        Assert.Equal(KafkaErrorCode.ProducerFenced, TransactionRules.Verify(step.Next, new(1, 3), new("t", 0)));
    }

    private static Transaction Empty(short epoch) => Transaction.New("id", 1, 1000, 0) with { Epoch = epoch };

    private static Transaction Ongoing(short epoch) => TransactionRules.AddPartitions(Empty(epoch), new(1, epoch), s_partitions, New, 10).Next!;

    private static TransactionStep Initialize(Transaction? current, ProducerIdentity? expected = null, long? newProducerId = null) => TransactionRules.Initialize(current, "id", 1000, expected, newProducerId, 100);

    private static TransactionStep End(Transaction? current, ProducerIdentity producer, bool isCommit, short version, long? newProducerId = null) => TransactionRules.End(current, producer, isCommit, version, newProducerId, 100);
}
