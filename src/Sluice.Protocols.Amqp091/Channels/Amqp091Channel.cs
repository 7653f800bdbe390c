using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Messages;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Transport;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>
/// One channel: its deliveries, and what else belongs to it. Fields are the receive loop's own unless said to be guarded by
/// <see cref="Gate"/>: deliveries (queues' threads), confirms (the journal's worker) and cancellations come from elsewhere and write only under
/// the gate while the channel is open, so that nothing follows a channel.close(-ok).
/// Lock order: queue, gate, output. The gate is never held while a queue is called.
/// </summary>
internal sealed class Amqp091Channel : IDeliverySink, IChannelInfo
{
    private readonly Unacknowledged _unacknowledged = new();
    private readonly ConnectionWriter _output;
    private readonly int _frameMax;
    private Amqp091Mapping? _mapping;
    private ContentAssembly? _content;
    private ulong _lastDeliveryTag;
    private int _unacknowledgedCount;
    private ushort _globalPrefetch;
    private bool _open = true;
    private bool _flowing = true;
    private bool _mayTimeOut;
    private bool _getAutoSettle;
    private MessageQueue? _getQueue;

    public Amqp091Channel(Amqp091Connection connection, ushort number)
    {
        Connection = connection;
        Number = number;
        _output = connection.Client.Output;
        _frameMax = connection.FrameMax;
        Consumers = new ChannelConsumers(this);
        Confirms = new ChannelConfirms(this);
        Publisher = new ChannelPublisher(this);
    }

    public Amqp091Connection Connection { get; }

    public ushort Number { get; }

    public Lock Gate { get; } = new();

    /// <summary>False once either side has begun to close the channel.</summary>
    public bool IsOpen => Volatile.Read(ref _open);

    /// <summary>We sent channel.close and wait for the answer: everything else from the client is dropped.</summary>
    public bool IsClosing { get; private set; }

    public ChannelConsumers Consumers { get; }

    public ChannelPublisher Publisher { get; }

    public ChannelConfirms Confirms { get; }

    /// <summary>Content frames gathered; created when frames of a publish first arrive apart.</summary>
    public ContentAssembly Content => _content ??= new ContentAssembly(Connection.ContentBudget);

    public bool ExpectsMethod => _content is null || _content.State == ContentState.Method;

    /// <summary>What an empty queue name stands for.</summary>
    public string LastQueue { get; set; } = "";

    /// <summary>Prefetch of consumers to come (basic.qos with global false).</summary>
    public ushort ConsumerPrefetch { get; set; }

    /// <summary>Set by tx.select.</summary>
    public ChannelTransaction? Transaction { get; set; }

    /// <summary>It has, or had, a consumer of a share group, whose settlements can be no part of a transaction.</summary>
    public bool ReadsShares { get; set; }

    /// <summary>The consumer of direct replies; null if none.</summary>
    public DirectReplyConsumer? DirectReply { get; set; }

    public int UnacknowledgedCount => Volatile.Read(ref _unacknowledgedCount);

    public int ConsumerCount => Consumers.Count;

    public int UnconfirmedCount => Confirms.PendingCount;

    public bool IsConfirming => Publisher.Confirms;

    public bool IsTransactional => Transaction is not null;

    public ushort GlobalPrefetch
    {
        get => Volatile.Read(ref _globalPrefetch);
        set => Volatile.Write(ref _globalPrefetch, value);
    }

    /// <summary>channel.flow: whether the client wants deliveries.</summary>
    public bool IsFlowing
    {
        get => Volatile.Read(ref _flowing);
        set => Volatile.Write(ref _flowing, value);
    }

    /// <summary>Whether a consumer of this channel may be given a message now, its own prefetch aside.</summary>
    public bool CanDeliver(bool autoSettle)
    {
        ushort limit = GlobalPrefetch;
        return IsOpen && IsFlowing && (autoSettle || limit == 0 || UnacknowledgedCount < limit) && !_output.IsBackedUp;
    }

    /// <summary>Writes a method of this channel; called on the receive loop.</summary>
    public void Send<T>(in T method)
        where T : IMethod, allows ref struct => Connection.Send(Number, method);

    /// <summary>Writes a message to a consumer. Called under the queue's lock.</summary>
    public void Deliver(AmqpConsumer consumer, in Delivery delivery)
    {
        lock (Gate)
        {
            ulong tag = ++_lastDeliveryTag;
            if (!consumer.AutoSettle)
            {
                Track(tag, consumer, consumer.Queue, delivery.Id);
            }

            if (!_open || !_output.Enter())
            {
                return;
            }

            try
            {
                DeliveryWriter.Write(
                    _output,
                    Number,
                    new BasicDeliver
                    {
                        ConsumerTag = consumer.TagBytes,
                        DeliveryTag = tag,
                        Redelivered = delivery.Redelivered,
                        Exchange = Amqp091Mapping.ShortString(delivery.Message.Exchange),
                        RoutingKey = Amqp091Mapping.RoutingKey(delivery.Message),
                    },
                    PropertiesOf(delivery, consumer.TellsCount, consumer.TellsOffset),
                    delivery.Message.Body,
                    _frameMax);
            }
            finally
            {
                _output.Exit();
            }
        }
    }

    /// <summary>Writes a reply straight to the direct-reply consumer; false if it is gone or its connection does not read.</summary>
    public bool DeliverReply(DirectReplyConsumer consumer, ReadOnlySpan<byte> routingKey, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body)
    {
        lock (Gate)
        {
            if (!_open || !ReferenceEquals(DirectReply, consumer) || _output.PendingBytes > Amqp091Limits.OutputBytesMax || !_output.Enter())
            {
                return false;
            }

            try
            {
                var method = new BasicDeliver { ConsumerTag = consumer.TagBytes, DeliveryTag = ++_lastDeliveryTag, RoutingKey = routingKey };
                DeliveryWriter.Write(_output, Number, method, properties, body, _frameMax);
            }
            finally
            {
                _output.Exit();
            }
        }

        Connection.FlushSoon();
        return true;
    }

    /// <summary>basic.get: true if a message was there and basic.get-ok has been written.</summary>
    public ValueTask<bool> GetAsync(MessageQueue queue, bool autoSettle)
    {
        _getQueue = queue;
        _getAutoSettle = autoSettle;
        return queue.GetAsync(autoSettle, this);
    }

    void IDeliverySink.Take(in Delivery delivery, long remaining)
    {
        lock (Gate)
        {
            ulong tag = ++_lastDeliveryTag;
            if (!_getAutoSettle)
            {
                Track(tag, _getQueue!, _getQueue!, delivery.Id);
            }

            if (!_open || !_output.Enter())
            {
                return;
            }

            try
            {
                DeliveryWriter.Write(
                    _output,
                    Number,
                    new BasicGetOk
                    {
                        DeliveryTag = tag,
                        Redelivered = delivery.Redelivered,
                        Exchange = Amqp091Mapping.ShortString(delivery.Message.Exchange),
                        RoutingKey = Amqp091Mapping.RoutingKey(delivery.Message),
                        MessageCount = (uint)Math.Min(remaining, uint.MaxValue),
                    },
                    PropertiesOf(delivery, _getQueue!.CountsDeliveries, tellOffset: false),
                    delivery.Message.Body,
                    _frameMax);
            }
            finally
            {
                _output.Exit();
            }
        }
    }

    /// <summary>
    /// Settles one delivery, or all up to a tag (0: all of them), into the connection's batch or the transaction.
    /// </summary>
    /// <exception cref="AmqpException">406: the tag is unknown.</exception>
    public void Settle(ulong tag, bool multiple, SettlementKind kind)
    {
        lock (Gate)
        {
            if (!multiple)
            {
                if (!_unacknowledged.TryTake(tag, out UnacknowledgedDelivery one))
                {
                    throw Amqp091Errors.UnknownDeliveryTag(tag);
                }

                Settled(one, kind);
                return;
            }

            if (tag != 0 && !_unacknowledged.Contains(tag))
            {
                throw Amqp091Errors.UnknownDeliveryTag(tag);
            }

            ulong upTo = tag == 0 ? ulong.MaxValue : tag;
            while (_unacknowledged.TryTakeOldest(upTo, out UnacknowledgedDelivery delivery))
            {
                Settled(delivery, kind);
            }
        }
    }

    /// <summary>Gives all unacknowledged deliveries back to their queues (basic.recover, end of the channel).</summary>
    public void RequeueAll()
    {
        lock (Gate)
        {
            while (_unacknowledged.TryTakeOldest(ulong.MaxValue, out UnacknowledgedDelivery delivery))
            {
                Release(delivery, SettlementKind.Requeue);
            }
        }
    }

    /// <summary>A transaction's settlement takes effect: prefetch is given back.</summary>
    public void ReleaseCredit(in UnacknowledgedDelivery delivery)
    {
        lock (Gate)
        {
            Volatile.Write(ref _unacknowledgedCount, _unacknowledgedCount - 1);
            ReturnCredit(delivery.Consumer);
        }
    }

    /// <summary>tx.rollback: what was settled in the transaction is unacknowledged again.</summary>
    public void RestoreUnacknowledged(List<UnacknowledgedDelivery> taken)
    {
        lock (Gate)
        {
            _unacknowledged.Restore(taken);
        }
    }

    /// <summary>Whether a delivery has been unacknowledged for longer than its queue, or the broker, allows. Any thread.</summary>
    public bool HasTimedOut(int nowTick) => Volatile.Read(ref _mayTimeOut) && UnacknowledgedCount > 0 && FindTimeOut(nowTick) > 0;

    /// <summary>The error that ends a channel that does not acknowledge in time.</summary>
    public AmqpException TimeOut() => new(
        ReplyCode.PreconditionFailed,
        $"delivery acknowledgement on channel {Number} timed out. Timeout value used: {FindTimeOut(Connection.Server.Tick)} ms. It is set by the queue's x-consumer-timeout or the broker's consumer timeout");

    /// <summary>
    /// Ends the channel: nothing is delivered any more, consumers leave their queues, unacknowledged deliveries go back. Then the given method is
    /// the last one written. Called on the receive loop, without locks held.
    /// </summary>
    public void Close<T>(in T last, bool waitForAnswer)
        where T : IMethod, allows ref struct
    {
        Release();
        IsClosing = waitForAnswer;
        Send(last);
    }

    /// <summary>The part of <see cref="Close"/> that concerns the broker; also for a connection that is gone.</summary>
    public void Release()
    {
        lock (Gate)
        {
            _open = false;
        }

        Consumers.RemoveAll();
        if (DirectReply is { } reply)
        {
            Connection.Server.DirectReplies.Remove(reply);
            DirectReply = null;
        }

        if (Transaction is { } transaction)
        {
            RestoreUnacknowledged(transaction.TakeSettled());
            transaction.Dispose();
            Transaction = null;
        }

        RequeueAll();
        Connection.Settlements.Flush();
        _content?.Reset();
        Connection.Channels.ConsumersChanged();
    }

    public override string ToString() => $"{Connection.Client.Name} ({Number})";

    /// <summary>The time-out that was missed, in ms; 0: none.</summary>
    private long FindTimeOut(int nowTick)
    {
        lock (Gate)
        {
            return _unacknowledged.FindTimeOut(nowTick, Connection.Server.Broker.Options.ConsumerTimeoutMs);
        }
    }

    private void Track(ulong tag, object source, MessageQueue queue, MessageId id)
    {
        _unacknowledged.Add(tag, source, id, Connection.Server.Tick);
        _mayTimeOut |= queue.Settings.ConsumerTimeoutMs > 0 || Connection.Server.Broker.Options.ConsumerTimeoutMs > 0;
        Volatile.Write(ref _unacknowledgedCount, _unacknowledgedCount + 1);
    }

    private void Settled(in UnacknowledgedDelivery delivery, SettlementKind kind)
    {
        if (Transaction is { } transaction)
        {
            transaction.Settle(delivery, kind);
            return;
        }

        Release(delivery, kind);
    }

    private void Release(in UnacknowledgedDelivery delivery, SettlementKind kind)
    {
        Volatile.Write(ref _unacknowledgedCount, _unacknowledgedCount - 1);
        Connection.Settlements.Add(delivery.Queue, delivery.Id, kind);
        ReturnCredit(delivery.Consumer);
    }

    /// <summary>The consumer, or with a channel-wide prefetch any of the channel, may take messages again.</summary>
    private void ReturnCredit(AmqpConsumer? consumer)
    {
        if (consumer is not null && consumer.Released())
        {
            Connection.Settlements.Resume(consumer);
        }

        if (GlobalPrefetch > 0)
        {
            Consumers.ResumeStarved();
        }
    }

    private ReadOnlySpan<byte> PropertiesOf(in Delivery delivery, bool tellCount, bool tellOffset) =>
        Amqp091Mapping.IsPlain(delivery, tellCount, tellOffset)
            ? Amqp091Mapping.PlainProperties(delivery.Message)
            : (_mapping ??= new Amqp091Mapping()).MergedProperties(delivery, tellCount, tellOffset);
}
