using Sluice.Admin;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Transport;

namespace Sluice.Hosting.Management;

/// <summary>Shows the connections of all protocols to the management API.</summary>
internal sealed class ConnectionSource(TransportServer transport) : IConnectionSource
{
    public IReadOnlyList<string> Protocols { get; } = ["AMQP 0-9-1", "Kafka"];

    public IReadOnlyList<ConnectionInfo> List() => [.. transport.Connections.Select(static connection => connection.Info is { } info ? Describe(connection, info) : null).OfType<ConnectionInfo>()];

    public bool Close(string name, string reason)
    {
        if (transport.Connections.FirstOrDefault(connection => connection.Name == name)?.Info is not { } info)
        {
            return false;
        }

        info.Close(reason);
        return true;
    }

    private static ConnectionInfo Describe(ClientConnection connection, IConnectionInfo info)
    {
        var described = new ConnectionInfo
        {
            Name = connection.Name,
            ClientName = info.ClientName,
            SoftwareName = info.SoftwareName,
            SoftwareVersion = info.SoftwareVersion,
            User = info.UserName,
            Mechanism = info.Mechanism,
            VirtualHost = info.VirtualHostName,
            Protocol = info.Protocol,
            State = info.StateName,
            PeerHost = connection.RemoteEndPoint.Address.ToString(),
            PeerPort = connection.RemoteEndPoint.Port,
            IsTls = connection.Tls is not null,
            ConnectedAt = info.ConnectedAt,
        };
        return info is not IAmqpConnectionInfo amqp ? described : described with
        {
            FrameMax = amqp.FrameMax,
            HeartbeatSeconds = amqp.HeartbeatSeconds,
            ClientProperties = amqp.ClientProperties,
            Channels = [.. amqp.ListChannels().Select(Describe)],
        };
    }

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
