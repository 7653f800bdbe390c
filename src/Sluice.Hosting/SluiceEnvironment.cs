using Microsoft.Extensions.Logging;
using Sluice.Base.Disk;
using Sluice.Base.Scheduling;
using Sluice.Hosting.Configuration;

namespace Sluice.Hosting;

/// <summary>What a broker gets from outside: where bytes lie, what time it is, where work runs, what chance says, and who listens to it.</summary>
/// <param name="Disk">Holds the data directory; its root is the directory itself.</param>
/// <param name="Scheduler">Runs work.</param>
/// <param name="Clock">Tells time and keeps timers.</param>
/// <param name="Random">Used by the broker alone.</param>
/// <param name="Loggers">Where log lines go.</param>
public sealed record SluiceEnvironment(IDisk Disk, IScheduler Scheduler, TimeProvider Clock, Random Random, ILoggerFactory Loggers)
{
    /// <summary>The real thing: the operating system's disk, clock and threads.</summary>
    public static SluiceEnvironment OfSystem(SluiceSettings settings, ILoggerFactory loggers) =>
        new(new SystemDisk(settings.DataDirectory), new SystemScheduler(), TimeProvider.System, new Random(), loggers);
}
