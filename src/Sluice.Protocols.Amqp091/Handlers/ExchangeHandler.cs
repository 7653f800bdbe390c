using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Class exchange: declare and delete.</summary>
internal static class ExchangeHandler
{
    public static ValueTask Declare(Amqp091Channel channel, in ExchangeDeclare method)
    {
        Amqp091Connection connection = channel.Connection;
        string name = Names.Read(method.Exchange);
        CheckNotDefault(name);
        if (method.Passive)
        {
            RequireAny(connection, name);
            Amqp091Errors.ValueOf(connection.VirtualHost.FindExchange(name));
            if (!method.NoWait)
            {
                channel.Send(new ExchangeDeclareOk());
            }

            return default;
        }

        connection.Require(Access.Configure, "exchange", name);
        Arguments arguments = ArgumentTable.Read(method.Arguments);
        var definition = new ExchangeDefinition(name, Names.Read(method.Type), method.Durable, method.AutoDelete, method.Internal, arguments);
        if (arguments["alternate-exchange"] is string alternate && !connection.VirtualHost.FindExchange(name).IsOk)
        {
            connection.Require(Access.Read, "exchange", name);
            connection.Require(Access.Write, "exchange", alternate);
        }

        return DeclareAsync(channel, definition, method.NoWait);
    }

    public static ValueTask Delete(Amqp091Channel channel, in ExchangeDelete method)
    {
        string name = Names.Read(method.Exchange);
        CheckNotDefault(name);
        if (name.StartsWith("amq.", StringComparison.Ordinal))
        {
            throw new AmqpException(ReplyCode.AccessRefused, $"deletion of system exchange '{name}' in vhost '{channel.Connection.VirtualHostName}' not allowed");
        }

        channel.Connection.Require(Access.Configure, "exchange", name);
        return DeleteAsync(channel, name, method.IfUnused, method.NoWait);
    }

    private static void CheckNotDefault(string name)
    {
        if (name.Length == 0)
        {
            throw Amqp091Errors.DefaultExchange();
        }
    }

    /// <summary>A passive declaration needs any permission at all.</summary>
    private static void RequireAny(Amqp091Connection connection, string name)
    {
        if (!connection.Access.Allows(Access.Read, name) && !connection.Access.Allows(Access.Write, name))
        {
            connection.Require(Access.Configure, "exchange", name);
        }
    }

    private static async ValueTask DeclareAsync(Amqp091Channel channel, ExchangeDefinition definition, bool noWait)
    {
        BrokerResult result = await channel.Connection.VirtualHost.DeclareExchangeAsync(definition).ConfigureAwait(false);
        if (result.Status == BrokerStatus.Unsupported)
        {
            throw new AmqpException(ReplyCode.CommandInvalid, result.Detail);
        }

        Amqp091Errors.ThrowIfFailed(result);
        if (!noWait)
        {
            channel.Send(new ExchangeDeclareOk());
        }
    }

    private static async ValueTask DeleteAsync(Amqp091Channel channel, string name, bool ifUnused, bool noWait)
    {
        BrokerResult result = await channel.Connection.VirtualHost.DeleteExchangeAsync(name, ifUnused).ConfigureAwait(false);
        if (result.Status != BrokerStatus.NotFound)
        {
            Amqp091Errors.ThrowIfFailed(result);
        }

        if (!noWait)
        {
            channel.Send(new ExchangeDeleteOk());
        }
    }
}
