using System.Text;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>queue.bind, queue.unbind, exchange.bind and exchange.unbind.</summary>
internal static class BindingHandler
{
    public static ValueTask Bind(Amqp091Channel channel, in QueueBind method)
    {
        BindingRequest request = Request(channel, method.Queue, method.Exchange, method.RoutingKey, method.Arguments);
        return BindAsync(channel, request, method.NoWait);
    }

    public static ValueTask Unbind(Amqp091Channel channel, in QueueUnbind method)
    {
        BindingRequest request = Request(channel, method.Queue, method.Exchange, method.RoutingKey, method.Arguments);
        return UnbindAsync(channel, request, noWait: false);
    }

    public static ValueTask Bind(Amqp091Channel channel, in ExchangeBind method)
    {
        BindingRequest request = Request(channel, method.Destination, method.Source, method.RoutingKey, method.Arguments, DestinationKind.Exchange);
        return BindAsync(channel, request, method.NoWait);
    }

    public static ValueTask Unbind(Amqp091Channel channel, in ExchangeUnbind method)
    {
        BindingRequest request = Request(channel, method.Destination, method.Source, method.RoutingKey, method.Arguments, DestinationKind.Exchange);
        return UnbindAsync(channel, request, method.NoWait);
    }

    /// <summary>For queues: an empty name is the last one declared, and then an empty routing key is its name.</summary>
    private static BindingRequest Request(Amqp091Channel channel, ReadOnlySpan<byte> queue, ReadOnlySpan<byte> exchange, ReadOnlySpan<byte> routingKey, ReadOnlySpan<byte> arguments)
    {
        string destination = Names.Queue(channel, queue);
        string key = queue.IsEmpty && routingKey.IsEmpty ? destination : Encoding.UTF8.GetString(routingKey);
        if (destination.StartsWith(DirectReplies.QueueName, StringComparison.Ordinal))
        {
            throw new AmqpException(ReplyCode.AccessRefused, "cannot bind or unbind to a volatile (direct reply-to) queue");
        }

        return Check(channel.Connection, new BindingRequest(DestinationKind.Queue, destination, Names.Read(exchange), key, ArgumentTable.Read(arguments)));
    }

    private static BindingRequest Request(Amqp091Channel channel, ReadOnlySpan<byte> destination, ReadOnlySpan<byte> source, ReadOnlySpan<byte> routingKey, ReadOnlySpan<byte> arguments, DestinationKind kind) =>
        Check(channel.Connection, new BindingRequest(kind, Names.Read(destination), Names.Read(source), Encoding.UTF8.GetString(routingKey), ArgumentTable.Read(arguments)));

    private static BindingRequest Check(Amqp091Connection connection, BindingRequest request)
    {
        bool isQueue = request.Kind == DestinationKind.Queue;
        connection.Require(Access.Write, isQueue ? "queue" : "exchange", request.Destination);
        if (request.Source.Length == 0 || (!isQueue && request.Destination.Length == 0))
        {
            throw Amqp091Errors.DefaultExchange();
        }

        connection.Require(Access.Read, "exchange", request.Source);
        bool isTopic = connection.VirtualHost.FindExchange(request.Source) is { IsOk: true, Value.Type: "topic" };
        if (isTopic && !connection.Access.AllowsTopic(Access.Read, request.Source, request.RoutingKey))
        {
            throw Amqp091Errors.TopicRefused(Access.Read, request.Source, request.RoutingKey, connection.VirtualHostName, connection.UserName);
        }

        return request;
    }

    private static async ValueTask BindAsync(Amqp091Channel channel, BindingRequest request, bool noWait)
    {
        BrokerResult result = await channel.Connection.VirtualHost
            .BindAsync(request.Source, request.Kind, request.Destination, request.RoutingKey, request.Arguments, channel.Connection).ConfigureAwait(false);
        Amqp091Errors.ThrowIfFailed(result);
        if (noWait)
        {
            return;
        }

        if (request.Kind == DestinationKind.Queue)
        {
            channel.Send(new QueueBindOk());
        }
        else
        {
            channel.Send(new ExchangeBindOk());
        }
    }

    private static async ValueTask UnbindAsync(Amqp091Channel channel, BindingRequest request, bool noWait)
    {
        BrokerResult result = await channel.Connection.VirtualHost
            .UnbindAsync(request.Source, request.Kind, request.Destination, request.RoutingKey, request.Arguments, channel.Connection).ConfigureAwait(false);
        Amqp091Errors.ThrowIfFailed(result);
        if (noWait)
        {
            return;
        }

        if (request.Kind == DestinationKind.Queue)
        {
            channel.Send(new QueueUnbindOk());
        }
        else
        {
            channel.Send(new ExchangeUnbindOk());
        }
    }

    private sealed record BindingRequest(DestinationKind Kind, string Destination, string Source, string RoutingKey, Arguments Arguments);
}
