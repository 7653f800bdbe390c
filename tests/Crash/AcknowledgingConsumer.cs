using RabbitMQ.Client;

namespace Sluice.Crash;

/// <summary>Consumes with acknowledgements, some single and some multiple, until its connection breaks or the queue is empty.</summary>
internal sealed class AcknowledgingConsumer(Func<Task<IConnection>> connect, MessageLedger ledger, int acknowledgeEvery)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public async Task RunUntilBrokenAsync()
    {
        try
        {
            await using IConnection connection = await connect();
            var broken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            connection.ConnectionShutdownAsync += (_, _) =>
            {
                broken.TrySetResult();
                return Task.CompletedTask;
            };
            if (!connection.IsOpen)
            {
                return; // It broke before the event was listened for.
            }

            IChannel channel = await connection.CreateChannelAsync();
            await channel.BasicQosAsync(0, 200, false);
            await channel.BasicConsumeAsync(ledger.Queue, autoAck: false, new Consumer(channel, ledger, acknowledgeEvery, order: null));
            await broken.Task;
        }
        catch (Exception e) when (Breakage.IsBroken(e))
        {
            // Unacknowledged messages come again after the restart.
        }
    }

    /// <summary>Takes everything out of the queue with one consumer; each publisher's messages must come in their order.</summary>
    public async Task DrainAsync()
    {
        await using IConnection connection = await connect();
        IChannel channel = await connection.CreateChannelAsync();
        await channel.BasicQosAsync(0, 500, false);
        var order = new Dictionary<long, long>();
        var consumer = new Consumer(channel, ledger, acknowledgeEvery, order);
        await channel.BasicConsumeAsync(ledger.Queue, autoAck: false, consumer);
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        int seen = -1;
        while (true)
        {
            // Empty means nothing ready, and nothing on its way: acknowledge all that came and ask again.
            uint ready = await channel.MessageCountAsync(ledger.Queue);
            int received = consumer.Received;
            if (ready == 0 && received == seen)
            {
                await consumer.AcknowledgeRestAsync();
                if (await channel.MessageCountAsync(ledger.Queue) == 0 && consumer.Received == received)
                {
                    break;
                }
            }

            seen = received;
            Assert.True(Environment.TickCount64 < deadline, $"{ledger.Queue} was not empty after {Patience}: {ready} ready, {received} received");
            await Task.Delay(20);
        }

        await channel.CloseAsync();

        // After the close every delivery has been settled or returned: one that was still under way would be ready again.
        IChannel check = await connection.CreateChannelAsync();
        while (await check.BasicGetAsync(ledger.Queue, autoAck: true) is { } late)
        {
            ledger.Deliver(MessageBody.Read(late.Body.Span), late.Redelivered);
        }

        Assert.True(consumer.OutOfOrder is null, consumer.OutOfOrder);
        ledger.Drained();
    }

    private sealed class Consumer(IChannel channel, MessageLedger ledger, int acknowledgeEvery, Dictionary<long, long>? order) : AsyncDefaultBasicConsumer(channel)
    {
        private readonly SemaphoreSlim _oneAtATime = new(1);
        private ulong _last;
        private ulong _acknowledged;
        private int _received;

        public int Received => Volatile.Read(ref _received);

        public string? OutOfOrder { get; private set; }

        public override async Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            long id = MessageBody.Read(body.Span);
            ledger.Deliver(id, redelivered);
            if (order is not null)
            {
                long publisher = id >> 40;
                if (order.TryGetValue(publisher, out long before) && before >= id)
                {
                    OutOfOrder ??= $"{ledger.Queue}: message {id} came after {before}";
                }

                order[publisher] = id;
            }

            await _oneAtATime.WaitAsync(CancellationToken.None);
            try
            {
                _last = deliveryTag;
                Interlocked.Increment(ref _received);
                if (deliveryTag - _acknowledged >= (ulong)acknowledgeEvery)
                {
                    _acknowledged = deliveryTag;
                    await Channel.BasicAckAsync(deliveryTag, multiple: acknowledgeEvery > 1, CancellationToken.None);
                }
            }
            catch (Exception e) when (Breakage.IsBroken(e))
            {
                // The connection's end is seen by the run loop.
            }
            finally
            {
                _oneAtATime.Release();
            }
        }

        public async Task AcknowledgeRestAsync()
        {
            await _oneAtATime.WaitAsync();
            try
            {
                if (_last > _acknowledged)
                {
                    _acknowledged = _last;
                    await Channel.BasicAckAsync(_last, multiple: true);
                }
            }
            finally
            {
                _oneAtATime.Release();
            }
        }
    }
}
