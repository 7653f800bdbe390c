using System.Globalization;
using System.Runtime.InteropServices;

namespace Sluice.Bench.Compare;

/// <summary>Facts about the machine that a reader of figures needs.</summary>
internal static class Machine
{
    /// <summary>Clock ticks per second that /proc reports CPU time in.</summary>
    private const double TicksPerSecond = 100;

    /// <summary>The kernel keeps some memory free whatever is read; about so much is as full as it gets.</summary>
    private const long LeastFreeBytes = 600L << 20;

    public static string Describe()
    {
        string cpu = Lines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown CPU";
        string kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return $"{Environment.ProcessorCount} × {cpu}, {MemoryBytes("MemTotal") / 1073741824.0:0} GB memory, Linux {kernel}, {RuntimeInformation.FrameworkDescription}";
    }

    /// <summary>Cache flushes that all disks have completed so far: what syncs come to on the device. A neutral witness that a promise of durability is kept.</summary>
    public static long DiskFlushes() =>
        Lines("/proc/diskstats").Sum(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: >= 19 } fields ? long.Parse(fields[18], CultureInfo.InvariantCulture) : 0);

    /// <summary>CPU time of child processes that have ended and their descendants, in seconds.</summary>
    public static double CpuSecondsOfEndedChildren()
    {
        string stat = File.ReadAllText("/proc/self/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[13], CultureInfo.InvariantCulture) + long.Parse(fields[14], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>
    /// Fills free memory with clean page cache, by reading a file of holes, so that what is written next takes over pages that the machine has, as on a server that has run for a while.
    /// On a virtual machine that gives free memory back to its host, a broker that writes into free memory pays for getting it again.
    /// </summary>
    /// <param name="file">Grows by as much as is read; it takes no room on the disk.</param>
    public static void FillPageCache(string file)
    {
        using FileStream holes = new(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        holes.Position = holes.Length;
        byte[] buffer = new byte[1 << 20];
        while (MemoryBytes("MemFree") > LeastFreeBytes)
        {
            holes.SetLength(holes.Position + (64L << 20));
            while (holes.Read(buffer) > 0)
            {
            }
        }
    }

    private static long MemoryBytes(string name) =>
        long.Parse(Lines("/proc/meminfo").First(line => line.StartsWith(name + ":", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;

    private static IEnumerable<string> Lines(string path) => File.Exists(path) ? File.ReadLines(path) : [];
}
