using Sluice.Broker.Publishing;
using Sluice.Protocols.Amqp091.Channels;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Storage;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Classes tx and confirm: a channel is in one mode or the other.</summary>
internal static class TxHandler
{
    public static void SelectConfirms(Amqp091Channel channel, in ConfirmSelect method)
    {
        if (channel.Transaction is not null)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "cannot switch from tx to confirm mode");
        }

        channel.Publisher.Confirms = true;
        if (!method.NoWait)
        {
            channel.Send(new ConfirmSelectOk());
        }
    }

    public static void Select(Amqp091Channel channel)
    {
        if (channel.Publisher.Confirms)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "cannot switch from confirm to tx mode");
        }

        if (channel.ReadsShares)
        {
            throw new AmqpException(ReplyCode.PreconditionFailed, "cannot switch to tx mode: what a channel settles for a share group cannot be part of a transaction");
        }

        channel.Transaction ??= new ChannelTransaction(channel.Connection.VirtualHost.CreateTransaction());
        channel.Send(new TxSelectOk());
    }

    /// <summary>Publishes and settlements of the transaction take effect together; answered once they are kept.</summary>
    public static async ValueTask CommitAsync(Amqp091Channel channel)
    {
        ChannelTransaction transaction = Require(channel);
        Amqp091Connection connection = channel.Connection;
        TurnResult result = transaction.Turn.Commit(transaction.Settlements());
        if (result.Failure is not null)
        {
            throw new AmqpException(ReplyCode.InternalError, $"the transaction could not be kept: {result.Failure.Message}");
        }

        if (result.Rejected is not null)
        {
            transaction.Returns.ResetWrittenCount();
            channel.RestoreUnacknowledged(transaction.TakeSettled());
            throw new AmqpException(ReplyCode.PreconditionFailed, "the transaction was refused because a queue is full; nothing of it took effect");
        }

        foreach (UnacknowledgedDelivery delivery in transaction.TakeSettled())
        {
            channel.ReleaseCredit(delivery);
        }

        connection.Settlements.Flush();
        SendReturns(connection, transaction);
        if (result.Position != JournalPosition.None)
        {
            try
            {
                await connection.Server.Broker.Store.WhenKeptAsync(result.Position, connection.Server.Broker.Options.DurablePromise).ConfigureAwait(false);
            }
            catch (IOException error)
            {
                throw new AmqpException(ReplyCode.InternalError, $"the transaction could not be kept: {error.Message}");
            }
        }

        channel.Send(new TxCommitOk());
    }

    public static void Rollback(Amqp091Channel channel)
    {
        ChannelTransaction transaction = Require(channel);
        transaction.Turn.Clear();
        transaction.Returns.ResetWrittenCount();
        channel.RestoreUnacknowledged(transaction.TakeSettled());
        channel.Send(new TxRollbackOk());
    }

    private static ChannelTransaction Require(Amqp091Channel channel) =>
        channel.Transaction ?? throw new AmqpException(ReplyCode.PreconditionFailed, "channel is not transactional");

    private static void SendReturns(Amqp091Connection connection, ChannelTransaction transaction)
    {
        if (transaction.Returns.WrittenCount > 0 && connection.Client.Output.Enter())
        {
            connection.Client.Output.Append(transaction.Returns.WrittenSpan);
            connection.Client.Output.Exit();
        }

        transaction.Returns.ResetWrittenCount();
    }
}
