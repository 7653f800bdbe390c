using RabbitMQ.Client;

namespace Sluice.Crash;

/// <summary>Consumes with acknowledgements, some single and some multiple, until the broker is killed or the queue is empty.</summary>
internal sealed class AcknowledgingConsumer(Func<Task<IConnection>> connect, MessageLedger ledger, int acknowledgeEvery)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static long s_lastMarker;

    public async Task RunAsync(CancellationToken killed)
    {
        IConnection? connection = null;
        try
        {
            connection = await connect();
            IChannel channel = await connection.CreateChannelAsync(cancellationToken: killed);
            await channel.BasicQosAsync(0, 200, false, killed);
            await channel.BasicConsumeAsync(ledger.Queue, autoAck: false, new Consumer(channel, ledger, acknowledgeEvery, until: null, killed), killed);
            await Task.Delay(Timeout.Infinite, killed);
        }
        catch (Exception e) when (Breakage.IsBroken(e))
        {
            // Unacknowledged messages come again after the restart.
        }
        finally
        {
            await (connection is null ? Task.CompletedTask : Breakage.DropAsync(connection));
        }
    }

    /// <summary>
    /// Takes everything out of the queue with one consumer; each publisher's messages must come in their order. A marker published
    /// behind everything else tells when the queue has been read to its end.
    /// </summary>
    public async Task DrainAsync()
    {
        await using IConnection connection = await connect();
        IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        long marker = Interlocked.Increment(ref s_lastMarker);
        ledger.Publishing(marker);
        await channel.BasicPublishAsync("", ledger.Queue, mandatory: true, new BasicProperties { Persistent = true }, MessageBody.Create(marker, 100));
        ledger.Confirm(marker);
        await channel.BasicQosAsync(0, 500, false);
        var consumer = new Consumer(channel, ledger, acknowledgeEvery, marker, CancellationToken.None);
        await channel.BasicConsumeAsync(ledger.Queue, autoAck: false, consumer);
        await consumer.Finished.WaitAsync(Patience);
        Assert.True(consumer.OutOfOrder is null, consumer.OutOfOrder);
        Assert.Equal(0u, await channel.MessageCountAsync(ledger.Queue));
        await channel.CloseAsync();

        // With the channel closed, whatever was still unacknowledged would be ready again.
        IChannel check = await connection.CreateChannelAsync();
        Assert.Equal(0u, await check.MessageCountAsync(ledger.Queue));
        ledger.Drained();
    }

    private sealed class Consumer(IChannel channel, MessageLedger ledger, int acknowledgeEvery, long? until, CancellationToken killed) : AsyncDefaultBasicConsumer(channel)
    {
        private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Dictionary<long, long> _lastByPublisher = [];
        private ulong _acknowledged;

        /// <summary>Completes when the message to read until has come and all has been acknowledged.</summary>
        public Task Finished => _finished.Task;

        public string? OutOfOrder { get; private set; }

        // The client hands over one delivery at a time.
        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            if (killed.IsCancellationRequested)
            {
                // What the library still hands over belongs to the life before.
                return;
            }

            try
            {
                long id = MessageBody.Read(body.Span);
                ledger.Deliver(id, redelivered);
                if (until is not null)
                {
                    CheckOrder(id);
                }

                if (id == until || deliveryTag - _acknowledged >= (ulong)acknowledgeEvery)
                {
                    _acknowledged = deliveryTag;
                    await Channel.BasicAckAsync(deliveryTag, multiple: acknowledgeEvery > 1, killed);
                }

                if (id == until)
                {
                    _finished.TrySetResult();
                }
            }
            catch (Exception e) when (until is null && Breakage.IsBroken(e))
            {
                // The connection's end is seen by the run loop.
            }
            catch (Exception e)
            {
                ledger.Violate($"{ledger.Queue}: {e.Message}");
                _finished.TrySetException(e);
            }
        }

        private void CheckOrder(long id)
        {
            long publisher = id >> 40;
            if (_lastByPublisher.TryGetValue(publisher, out long before) && before >= id)
            {
                OutOfOrder ??= $"{ledger.Queue}: message {id} came after {before}";
            }

            _lastByPublisher[publisher] = id;
        }
    }
}
