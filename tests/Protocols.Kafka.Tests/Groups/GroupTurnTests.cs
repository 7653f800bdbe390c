using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.TestKit.Scheduling;

namespace Sluice.Protocols.Kafka.Tests.Groups;

public sealed class GroupTurnTests
{
    [Theory]
    [InlineData(true, KafkaErrorCode.None)]
    [InlineData(false, KafkaErrorCode.NotCoordinator)]
    public void Whoever_tells_that_the_journal_has_written_does_not_go_on_with_requests(bool isKept, KafkaErrorCode expected)
    {
        var scheduler = new StepScheduler(1);
        var turn = new GroupTurn(scheduler);
        var answer = new GroupAnswer<KafkaErrorCode>(static error => error);
        turn.Answer(answer, KafkaErrorCode.None);
        IDurabilityListener listener = turn;
        if (isKept)
        {
            listener.OnKept(JournalPosition.None);
        }
        else
        {
            listener.OnFailed(new IOException());
        }

        Assert.False(answer.Task.IsCompleted);
        scheduler.RunAll();
        Assert.Equal(expected, GroupFixture.Now(answer.Task));
    }

    [Fact]
    public void What_waits_for_nothing_is_answered_at_once()
    {
        var turn = new GroupTurn(new StepScheduler(1));
        var answer = new GroupAnswer<int>(static _ => 0);
        turn.Answer(answer, 5);
        turn.Give();
        Assert.Equal(5, GroupFixture.Now(answer.Task));
    }
}
