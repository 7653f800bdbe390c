using System.Globalization;

namespace Sluice.LoadGenerator;

/// <summary>CPU time and memory of a process and all its descendants, from /proc (Linux).</summary>
public sealed class ProcessTree(int processId)
{
    /// <summary>Clock ticks per second that /proc reports CPU time in (USER_HZ, 100 on every Linux .NET runs on).</summary>
    private const double TicksPerSecond = 100;

    /// <summary>User and system CPU time used so far by the living processes of the tree, in seconds. Steps of 10 ms.</summary>
    public double CpuSeconds() => Members().Sum(id => ReadStat(id) is { } stat ? (stat.UserTicks + stat.SystemTicks) / TicksPerSecond : 0);

    /// <summary>Resident memory of the tree, in bytes.</summary>
    public long ResidentBytes() => Members().Sum(ReadResidentBytes);

    /// <summary>The living processes of the tree, the root first.</summary>
    public IReadOnlyList<int> Members()
    {
        Dictionary<int, List<int>> children = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out int id) && ReadStat(id) is { } stat)
            {
                if (!children.TryGetValue(stat.Parent, out List<int>? siblings))
                {
                    children[stat.Parent] = siblings = [];
                }

                siblings.Add(id);
            }
        }

        List<int> members = [processId];
        for (int i = 0; i < members.Count; i++)
        {
            if (children.TryGetValue(members[i], out List<int>? found))
            {
                members.AddRange(found);
            }
        }

        return members;
    }

    private static (int Parent, long UserTicks, long SystemTicks)? ReadStat(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[1], CultureInfo.InvariantCulture), long.Parse(fields[11], CultureInfo.InvariantCulture), long.Parse(fields[12], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long ReadResidentBytes(int id)
    {
        try
        {
            foreach (string line in File.ReadLines($"/proc/{id}/status"))
            {
                if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                {
                    return long.Parse(line.AsSpan(6, line.Length - 9).Trim(), CultureInfo.InvariantCulture) * 1024;
                }
            }
        }
        catch (IOException)
        {
            // It has ended meanwhile.
        }

        return 0;
    }
}
