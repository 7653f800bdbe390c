using Microsoft.Extensions.Logging;
using Sluice.Storage;

namespace Sluice.Broker.Delays;

/// <summary>What is done about delayed messages in a damaged part of a file: they are given up with an error in the broker's log, and delivery goes on behind them.</summary>
internal static class DelayDamage
{
    public static void Skip(ILogger logger, Log log, long from, long to, Exception error)
    {
        long lost = log.Cursor!.SettleRange(from, to);
        logger.LogCritical(error, "Up to {Count} delayed messages are lost to damage: log {Log}, offsets {From} to {To}. Restore the file from a backup to get them back.", lost, log.Id.Value, from, to);
    }
}
