namespace Sluice.Transport.Polling;

/// <summary>
/// Decides when a loop rests for a moment before it looks at its sockets again, so that a fast sender of single small messages is
/// received in batches: a wake-up, a receive and a send per batch instead of per message (what network cards do with interrupts).
/// It measures rather than guesses: while many small receives come in quick succession it rests on trial, and goes on doing so only if each
/// receive then brings at least twice as much and hardly less arrives in all. A client that waits for each answer never passes that
/// trial, and trials become rare, so its latency stays what it is. Pure: told of each round, reads no clock.
/// </summary>
internal sealed class ReceiveModeration
{
    private const int SampleRounds = 64;
    private const int TrialRounds = 32;
    private const int RestRounds = 1024;
    private const int WaitRoundsMin = 256;
    private const int WaitRoundsMax = 16_384;
    private const int ReceiveBytesMax = 16 << 10;

    // What arrives with rests may be this much less: more would mean that senders wait for answers.
    private const double ThroughputMin = 0.75;

    // Shorter measurements would catch one burst or one gap.
    private static readonly TimeSpan MeasureMin = TimeSpan.FromMilliseconds(4);

    // Rounds further apart than this have nothing to gain from a rest.
    private static readonly TimeSpan IntervalMax = TimeSpan.FromMicroseconds(60);

    private readonly TimeProvider _clock;
    private Phase _phase;
    private int _rounds;
    private int _roundsWanted = SampleRounds;
    private int _waitRounds = WaitRoundsMin;
    private long _start;
    private long _receives;
    private long _bytes;
    private double _bytesPerReceive;
    private double _bytesPerTick;

    /// <param name="clock">Only to compute with time stamps.</param>
    public ReceiveModeration(TimeProvider clock) => _clock = clock;

    private enum Phase : byte
    {
        /// <summary>Measures without rests.</summary>
        Sample,

        /// <summary>Measures with rests.</summary>
        Trial,

        /// <summary>Rests pay.</summary>
        Rest,

        /// <summary>They did not: no rests for a while.</summary>
        Wait,
    }

    /// <summary>A round that received something is over. True: rest before the next.</summary>
    public bool ShouldRest(int receives, long bytes, long timestamp)
    {
        if (_start == 0)
        {
            _start = timestamp;
            return false;
        }

        _receives += receives;
        _bytes += bytes;
        _rounds++;
        if (_rounds >= _roundsWanted && (_phase is Phase.Wait || _clock.GetElapsedTime(_start, timestamp) >= MeasureMin))
        {
            Next(timestamp);
        }

        return _phase is Phase.Trial or Phase.Rest;
    }

    private void Next(long now)
    {
        double perReceive = (double)_bytes / Math.Max(1, _receives);
        double perTick = (double)_bytes / Math.Max(1, now - _start);
        TimeSpan interval = _clock.GetElapsedTime(_start, now) / _rounds;
        switch (_phase)
        {
            case Phase.Sample when interval <= IntervalMax && perReceive <= ReceiveBytesMax:
                _bytesPerReceive = perReceive;
                _bytesPerTick = perTick;
                Enter(Phase.Trial, TrialRounds, now);
                break;
            case Phase.Trial when perReceive >= 2 * _bytesPerReceive && perTick >= ThroughputMin * _bytesPerTick:
                _waitRounds = WaitRoundsMin;
                Enter(Phase.Rest, RestRounds, now);
                break;
            case Phase.Trial:
                Enter(Phase.Wait, _waitRounds, now);
                _waitRounds = Math.Min(_waitRounds * 2, WaitRoundsMax);
                break;
            default:
                Enter(Phase.Sample, SampleRounds, now);
                break;
        }
    }

    private void Enter(Phase phase, int rounds, long now)
    {
        _phase = phase;
        _roundsWanted = rounds;
        _rounds = 0;
        _start = now;
        _receives = 0;
        _bytes = 0;
    }
}
