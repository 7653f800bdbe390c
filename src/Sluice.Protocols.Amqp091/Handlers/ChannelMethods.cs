using Sluice.Broker.Publishing;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Every method a client may send on an open channel, and who handles it (basic.publish never comes here: it has content).</summary>
internal static class ChannelMethods
{
    /// <summary>Settlements are gathered; before every other method what the turn has staged goes to the queues, so that order holds.</summary>
    public static ValueTask Handle(Amqp091Channel channel, uint method, ReadOnlySpan<byte> arguments)
    {
        switch (method)
        {
            case MethodIds.BasicAck:
                Ack(channel, BasicAck.Read(arguments));
                return default;
            case MethodIds.BasicNack:
                Nack(channel, BasicNack.Read(arguments));
                return default;
            case MethodIds.BasicReject:
                Reject(channel, BasicReject.Read(arguments));
                return default;
        }

        channel.Connection.FlushTurn();
        switch (method)
        {
            case MethodIds.ChannelOpen:
                throw new AmqpException(ReplyCode.ChannelError, "second 'channel.open' seen");
            case MethodIds.ChannelFlow:
                ChannelHandler.Flow(channel, ChannelFlow.Read(arguments));
                return default;
            case MethodIds.ChannelFlowOk:
                return default;
            case MethodIds.ChannelClose:
                ChannelHandler.Close(channel, ChannelClose.Read(arguments));
                return default;
            case MethodIds.AccessRequest:
                AccessRequest.Read(arguments);
                channel.Send(new AccessRequestOk { Ticket = 1 });
                return default;

            case MethodIds.ExchangeDeclare:
                return ExchangeHandler.Declare(channel, ExchangeDeclare.Read(arguments));
            case MethodIds.ExchangeDelete:
                return ExchangeHandler.Delete(channel, ExchangeDelete.Read(arguments));
            case MethodIds.ExchangeBind:
                return BindingHandler.Bind(channel, ExchangeBind.Read(arguments));
            case MethodIds.ExchangeUnbind:
                return BindingHandler.Unbind(channel, ExchangeUnbind.Read(arguments));

            case MethodIds.QueueDeclare:
                return QueueHandler.Declare(channel, QueueDeclare.Read(arguments));
            case MethodIds.QueueBind:
                return BindingHandler.Bind(channel, QueueBind.Read(arguments));
            case MethodIds.QueueUnbind:
                return BindingHandler.Unbind(channel, QueueUnbind.Read(arguments));
            case MethodIds.QueuePurge:
                QueueHandler.Purge(channel, QueuePurge.Read(arguments));
                return default;
            case MethodIds.QueueDelete:
                return QueueHandler.Delete(channel, QueueDelete.Read(arguments));

            case MethodIds.BasicQos:
                BasicHandler.Qos(channel, BasicQos.Read(arguments));
                return default;
            case MethodIds.BasicConsume:
                return ConsumeHandler.Consume(channel, BasicConsume.Read(arguments));
            case MethodIds.BasicCancel:
                ConsumeHandler.Cancel(channel, BasicCancel.Read(arguments));
                return default;
            case MethodIds.BasicCancelOk:
                return default;
            case MethodIds.BasicGet:
                return BasicHandler.Get(channel, BasicGet.Read(arguments));
            case MethodIds.BasicRecover:
                BasicHandler.Recover(channel, BasicRecover.Read(arguments).Requeue);
                channel.Send(new BasicRecoverOk());
                return default;
            case MethodIds.BasicRecoverAsync:
                BasicHandler.Recover(channel, BasicRecoverAsync.Read(arguments).Requeue);
                return default;

            case MethodIds.ConfirmSelect:
                TxHandler.SelectConfirms(channel, ConfirmSelect.Read(arguments));
                return default;
            case MethodIds.TxSelect:
                TxSelect.Read(arguments);
                TxHandler.Select(channel);
                return default;
            case MethodIds.TxCommit:
                TxCommit.Read(arguments);
                return TxHandler.CommitAsync(channel);
            case MethodIds.TxRollback:
                TxRollback.Read(arguments);
                TxHandler.Rollback(channel);
                return default;
            default:
                throw IsServers(method)
                    ? new AmqpException(ReplyCode.CommandInvalid, "unimplemented method")
                    : new AmqpException(ReplyCode.NotImplemented, $"unknown method {method >> 16}.{method & 0xFFFF}");
        }
    }

    /// <summary>Methods of the protocol that clients must not send here.</summary>
    private static bool IsServers(uint method) => method switch
    {
        MethodIds.ChannelOpenOk or MethodIds.ChannelCloseOk or MethodIds.AccessRequestOk => true,
        MethodIds.ExchangeDeclareOk or MethodIds.ExchangeDeleteOk or MethodIds.ExchangeBindOk or MethodIds.ExchangeUnbindOk => true,
        MethodIds.QueueDeclareOk or MethodIds.QueueBindOk or MethodIds.QueueUnbindOk or MethodIds.QueuePurgeOk or MethodIds.QueueDeleteOk => true,
        MethodIds.BasicQosOk or MethodIds.BasicConsumeOk or MethodIds.BasicReturn or MethodIds.BasicDeliver => true,
        MethodIds.BasicGetOk or MethodIds.BasicGetEmpty or MethodIds.BasicRecoverOk => true,
        MethodIds.ConfirmSelectOk or MethodIds.TxSelectOk or MethodIds.TxCommitOk or MethodIds.TxRollbackOk => true,
        _ => method >> 16 == MethodIds.ConnectionStart >> 16,
    };

    private static void Ack(Amqp091Channel channel, in BasicAck method) => channel.Settle(method.DeliveryTag, method.Multiple, SettlementKind.Settle);

    private static void Nack(Amqp091Channel channel, in BasicNack method) =>
        channel.Settle(method.DeliveryTag, method.Multiple, method.Requeue ? SettlementKind.Requeue : SettlementKind.Reject);

    private static void Reject(Amqp091Channel channel, in BasicReject method) =>
        channel.Settle(method.DeliveryTag, multiple: false, method.Requeue ? SettlementKind.Requeue : SettlementKind.Reject);
}
