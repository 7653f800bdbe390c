using System.Net.Sockets;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator;

/// <summary>Idle connections, each logged in with one open channel, to see what they cost the broker.</summary>
public sealed class ManyConnections : IDisposable
{
    private readonly List<AmqpClient> _clients = [];

    private ManyConnections()
    {
    }

    public int Count => _clients.Count;

    /// <summary>Opens them one after the other.</summary>
    /// <exception cref="AmqpUnreachableException">The broker stopped accepting; the message says after how many.</exception>
    public static ManyConnections Open(AmqpClientOptions server, int count, CancellationToken cancel = default)
    {
        ManyConnections connections = new();
        try
        {
            while (connections.Count < count && !cancel.IsCancellationRequested)
            {
                connections._clients.Add(AmqpClient.Connect(server with { ReceiveBufferBytes = 1024, SocketBufferBytes = 0 }));
            }

            return connections;
        }
        catch (Exception error) when (error is AmqpUnreachableException or SocketException)
        {
            int opened = connections.Count;
            connections.Dispose();
            throw new AmqpUnreachableException($"Connection {opened + 1} of {count} failed: {error.Message} (Is the limit of open files high enough on both sides?)", error);
        }
    }

    /// <summary>Drops them without a goodbye, as a crashed client fleet would.</summary>
    public void Dispose()
    {
        _clients.ForEach(client => client.Abort());
        _clients.Clear();
    }
}
