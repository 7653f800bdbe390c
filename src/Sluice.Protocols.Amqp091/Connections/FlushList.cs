using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Connections;

/// <summary>
/// Outputs to flush when the receive loop running on this thread ends its turn. Deliveries caused by a turn are sent by the thread that caused them,
/// in one go, instead of waking another thread for each run. On other threads (timers, the journal) flushes are scheduled.
/// </summary>
internal sealed class FlushList
{
    [ThreadStatic]
    private static FlushList? t_current;

    private readonly List<ConnectionWriter> _outputs = [];

    /// <summary>Flushes the output at the end of this thread's turn, or soon on the thread pool when none is under way.</summary>
    public static void Request(ConnectionWriter output)
    {
        if (t_current is not { } list)
        {
            output.ScheduleFlush();
        }
        else if (!list._outputs.Contains(output))
        {
            list._outputs.Add(output);
        }
    }

    /// <summary>Gathers requests on this thread until <see cref="End"/>. Turns do not nest.</summary>
    public void Begin() => t_current = this;

    public static void End() => t_current = null;

    /// <summary>Sends what has gathered. The caller holds no lock.</summary>
    public void Flush()
    {
        foreach (ConnectionWriter output in _outputs)
        {
            output.Flush();
        }

        _outputs.Clear();
    }
}
