using Sluice.Protocols.Amqp091.Wire;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>
/// Heartbeats of one connection (4.2.7): one is sent after half an interval in which nothing waited to be sent, and the peer is given up when nothing at all
/// came from it for two. <see cref="Heard"/> is called by the receive loop, <see cref="Tick"/> by the server's timer.
/// </summary>
internal sealed class Heartbeats(ClientConnection client)
{
    private int _seconds;
    private int _silentTicks;
    private int _unsentTicks;
    private bool _heard;

    private int IntervalTicks => _seconds * (int)(1000 / Amqp091Limits.TickMs);

    /// <param name="seconds">The interval agreed; 0: none.</param>
    public void Start(int seconds)
    {
        Heard();
        Volatile.Write(ref _seconds, seconds);
    }

    /// <summary>Something was received.</summary>
    public void Heard() => Volatile.Write(ref _heard, true);

    /// <summary>Sends a heartbeat if one is due; returns why the peer must be given up, null if it need not.</summary>
    /// <param name="isPaused">The broker itself keeps us from reading from the peer at the moment: its silence means nothing.</param>
    public string? Tick(bool isPaused)
    {
        if (Volatile.Read(ref _seconds) == 0)
        {
            return null;
        }

        if (Volatile.Read(ref _heard) || isPaused)
        {
            Volatile.Write(ref _heard, false);
            _silentTicks = 0;
        }
        else if (++_silentTicks > 2 * IntervalTicks)
        {
            return $"missed heartbeats from client, timeout: {_seconds}s";
        }

        if (client.Output.PendingBytes > 0)
        {
            _unsentTicks = 0;
        }
        else if (++_unsentTicks >= Math.Max(1, IntervalTicks / 2))
        {
            _unsentTicks = 0;
            Send();
        }

        return null;
    }

    private void Send()
    {
        if (client.Output.Enter())
        {
            client.Output.Append(FrameWriter.Heartbeat);
            client.Output.Exit();
            client.Output.ScheduleFlush();
        }
    }
}
