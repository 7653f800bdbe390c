using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Sluice.BlackBox;

/// <summary>Ports for servers that are started later. Below those that the kernel gives to connections, any of which could take one meanwhile. Thread-safe.</summary>
public static class FreePorts
{
    private const int Lowest = 10_000, Tries = 1_000;

    private static readonly HashSet<int> s_given = [];

    /// <summary>A port that nobody uses, each time another.</summary>
    public static int Next()
    {
        int end = int.Parse(File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range").Split('\t', ' ')[0], CultureInfo.InvariantCulture);
        for (int i = 0; i < Tries && end > Lowest; i++)
        {
            int port = Random.Shared.Next(Lowest, end);
            lock (s_given)
            {
                if (!s_given.Contains(port) && IsFree(port))
                {
                    s_given.Add(port);
                    return port;
                }
            }
        }

        throw new InvalidOperationException($"No port from {Lowest} to {end - 1} is free.");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = TcpListener.Create(port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
