using System.Globalization;
using System.Runtime.InteropServices;

namespace Sluice.Bench.Compare;

/// <summary>Facts about the machine that a reader of figures needs.</summary>
internal static class Machine
{
    public static string Describe()
    {
        string cpu = Lines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown CPU";
        double memory = double.Parse(Lines("/proc/meminfo").First(line => line.StartsWith("MemTotal", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        string kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        return $"{Environment.ProcessorCount} × {cpu}, {memory / 1048576:0} GB memory, Linux {kernel}, {RuntimeInformation.FrameworkDescription}";
    }

    /// <summary>Cache flushes that all disks have completed so far: what syncs come to on the device. A neutral witness that a promise of durability is kept.</summary>
    public static long DiskFlushes() =>
        Lines("/proc/diskstats").Sum(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: >= 19 } fields ? long.Parse(fields[18], CultureInfo.InvariantCulture) : 0);

    private static IEnumerable<string> Lines(string path) => File.Exists(path) ? File.ReadLines(path) : [];
}
