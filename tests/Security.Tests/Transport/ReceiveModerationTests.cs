using Sluice.Transport.Polling;

namespace Sluice.Transport.Tests;

/// <summary>Senders in virtual time: what a rest brings is computed, not waited for.</summary>
public sealed class ReceiveModerationTests
{
    private const double RestUs = 150;
    private const int MessageBytes = 100;

    private readonly ReceiveModeration _moderation = new(TimeProvider.System);
    private double _nowUs = 1;
    private int _rounds;
    private int _rests;

    /// <summary>One round: what it received, and how long it took. Returns whether a rest follows, which is included in the time of the next.</summary>
    private bool Round(int receives, double bytes, double lastsUs)
    {
        _nowUs += lastsUs;
        bool rests = _moderation.ShouldRest(receives, (long)bytes, (long)(_nowUs * TimeProvider.System.TimestampFrequency / 1e6));
        _rounds++;
        _rests += rests ? 1 : 0;
        return rests;
    }

    [Fact]
    public void A_fast_sender_of_small_messages_is_received_in_batches()
    {
        bool rests = false;
        for (int i = 0; i < 20_000; i++)
        {
            // 200,000 messages a second whatever the receiver does; handling a round takes 5 µs.
            double lasts = 5 + (rests ? RestUs : 0);
            rests = Round(1, Math.Max(1, lasts / 5) * MessageBytes, lasts);
        }

        Assert.True(_rests > _rounds * 0.5, $"{_rests} rests in {_rounds} rounds");
    }

    [Fact]
    public void A_client_that_waits_for_each_answer_hardly_ever_waits_for_a_rest()
    {
        bool rests = false;
        for (int i = 0; i < 200_000; i++)
        {
            rests = Round(1, MessageBytes, 40 + (rests ? RestUs : 0));
        }

        Assert.InRange(_rests, 1, _rounds / 100);
    }

    [Fact]
    public void Clients_with_a_small_window_are_not_slowed_for_the_sake_of_batches()
    {
        bool rests = false;
        for (int i = 0; i < 200_000; i++)
        {
            // Ten messages under way: a rest gathers them all, but then nothing moves while it lasts.
            rests = rests ? Round(1, 10 * MessageBytes, 20 + RestUs) : Round(1, 2 * MessageBytes, 8);
        }

        Assert.InRange(_rests, 1, _rounds / 100);
    }

    [Fact]
    public void Many_connections_with_a_message_each_gain_nothing_and_are_left_alone()
    {
        bool rests = false;
        for (int i = 0; i < 100_000; i++)
        {
            // More connections are ready after a rest, but none has more to say.
            int ready = rests ? 40 : 4;
            rests = Round(ready, ready * MessageBytes, 20 + (rests ? RestUs : 0));
        }

        Assert.InRange(_rests, 1, _rounds / 100);
    }

    [Theory]
    [InlineData(1, 64 << 10, 20)]
    [InlineData(1, MessageBytes, 100)]
    public void Large_receives_and_slow_senders_are_not_even_tried(int receives, int bytes, int lastsUs)
    {
        for (int i = 0; i < 50_000; i++)
        {
            Round(receives, bytes, lastsUs);
        }

        Assert.Equal(0, _rests);
    }

    [Fact]
    public void Rests_end_when_the_load_does()
    {
        bool rests = false;
        for (int i = 0; i < 20_000; i++)
        {
            double lasts = 5 + (rests ? RestUs : 0);
            rests = Round(1, Math.Max(1, lasts / 5) * MessageBytes, lasts);
        }

        _rests = 0;
        for (int i = 0; i < 10_000; i++)
        {
            Round(1, MessageBytes, 500);
        }

        Assert.InRange(_rests, 0, 1100);
    }
}
