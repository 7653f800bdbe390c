namespace Sluice.Protocols.Kafka.Groups;

/// <summary>How often an assignment by the broker is computed anew, so that members that come one after another are assigned together.</summary>
internal static class AssignmentInterval
{
    /// <summary>Whether one may be computed.</summary>
    /// <param name="lastMs">When that was done last, Unix time; 0: never.</param>
    /// <param name="intervalMs">What must lie between.</param>
    /// <param name="nowMs">Unix time, which may have gone back.</param>
    public static bool IsOver(long lastMs, int intervalMs, long nowMs) => lastMs == 0 || nowMs - lastMs >= intervalMs || nowMs < lastMs;
}
