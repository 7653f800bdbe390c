using Sluice.Admin;
using Sluice.Protocols.Amqp091.Connections;

namespace Sluice.Hosting.Management;

/// <summary>Shows AMQP 0-9-1 connections to the management API.</summary>
internal sealed class AmqpConnectionSource(ConnectionRegistry registry) : IConnectionSource
{
    public IReadOnlyList<ConnectionInfo> List() => [.. registry.List().Select(Describe)];

    public bool Close(string name, string reason)
    {
        if (registry.Find(name) is not { } connection)
        {
            return false;
        }

        connection.Close(reason);
        return true;
    }

    private static ConnectionInfo Describe(IConnectionInfo connection) => new()
    {
        Name = connection.Name,
        ClientName = connection.ClientName,
        User = connection.UserName,
        VirtualHost = connection.VirtualHostName,
        Protocol = "AMQP 0-9-1",
        State = connection.State.ToString().ToLowerInvariant(),
        PeerHost = connection.Remote.Address.ToString(),
        PeerPort = connection.Remote.Port,
        IsTls = connection.IsTls,
        FrameMax = connection.FrameMax,
        HeartbeatSeconds = connection.HeartbeatSeconds,
        ConnectedAt = connection.ConnectedAt,
        ClientProperties = connection.ClientProperties,
        Channels = [.. connection.ListChannels().Select(Describe)],
    };

    private static ChannelInfo Describe(IChannelInfo channel) => new()
    {
        Number = channel.Number,
        ConsumerCount = channel.ConsumerCount,
        UnacknowledgedCount = channel.UnacknowledgedCount,
        UnconfirmedCount = channel.UnconfirmedCount,
        PrefetchCount = channel.ConsumerPrefetch,
        GlobalPrefetchCount = channel.GlobalPrefetch,
        IsConfirming = channel.IsConfirming,
        IsTransactional = channel.IsTransactional,
    };
}
