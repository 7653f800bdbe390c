using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Class channel, but for open, which comes before there is a channel.</summary>
internal static class ChannelHandler
{
    /// <summary>Stops or restarts deliveries on the channel.</summary>
    public static void Flow(Amqp091Channel channel, in ChannelFlow method)
    {
        channel.IsFlowing = method.Active;
        if (!method.Active)
        {
            channel.Consumers.AwaitDeliveries();
        }

        channel.Send(new ChannelFlowOk { Active = method.Active });
        if (method.Active)
        {
            channel.Consumers.ResumeStarved();
        }
    }

    public static void Close(Amqp091Channel channel, in ChannelClose method)
    {
        _ = method;
        channel.Close(new ChannelCloseOk(), waitForAnswer: false);
        channel.Connection.Channels.Forget(channel);
    }
}
