using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>Class tx: publishes and acknowledgements that take effect together, or not at all.</summary>
public sealed class TransactionTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Tx_commit_makes_publishes_visible_in_all_queues()
    {
        string one = await QueueAsync();
        string two = await QueueAsync();
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        await PublishAsync(channel, "", one, "a");
        await PublishAsync(channel, "", two, "b");
        await PublishAsync(channel, "", one, "c");

        // A synchronous call on the same channel: what was published before it has been handled, and is still unseen.
        await channel.QueueDeclarePassiveAsync(one);
        Assert.Equal((0u, 0u), (await ReadyAsync(one), await ReadyAsync(two)));
        await channel.TxCommitAsync();
        Assert.Equal((2u, 1u), (await ReadyAsync(one), await ReadyAsync(two)));
        Assert.Equal(["a", "c"], await GetBodiesAsync(one, 2));
    }

    [Fact]
    public async Task Tx_rollback_forgets_publishes()
    {
        string queue = await QueueAsync();
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        await PublishAsync(channel, "", queue, "no");
        await channel.TxRollbackAsync();
        await PublishAsync(channel, "", queue, "yes");
        await channel.TxCommitAsync();
        Assert.Equal("yes", (await GetAsync(queue)).Body);
        Assert.Equal(0u, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Tx_commit_makes_acknowledgements_take_effect()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 2);
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        Delivery first = (await TryGetAsync(channel, queue, autoAck: false))!;
        await channel.BasicAckAsync(first.Tag, false);
        await channel.TxCommitAsync();
        await channel.CloseAsync();
        Delivery left = await GetAsync(queue);
        Assert.Equal("1", left.Body);
        Assert.Equal(0u, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Tx_acknowledgement_not_committed_is_undone_by_closing()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        Delivery first = (await TryGetAsync(channel, queue, autoAck: false))!;
        await channel.BasicAckAsync(first.Tag, false);
        await channel.CloseAsync();
        Assert.Equal("0", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Tx_rollback_leaves_messages_unacknowledged_to_be_acknowledged_again()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        Delivery first = (await TryGetAsync(channel, queue, autoAck: false))!;
        await channel.BasicAckAsync(first.Tag, false);
        await channel.TxRollbackAsync();
        Assert.Equal(0u, await ReadyAsync(queue));
        await channel.BasicAckAsync(first.Tag, false);
        await channel.TxCommitAsync();
        await channel.CloseAsync();
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Tx_reject_with_requeue_waits_for_the_commit()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        IChannel channel = await OpenChannelAsync();
        await channel.TxSelectAsync();
        Delivery first = (await TryGetAsync(channel, queue, autoAck: false))!;
        await channel.BasicRejectAsync(first.Tag, requeue: true);
        await channel.QueueDeclarePassiveAsync(queue);
        Assert.Equal(0u, await ReadyAsync(queue));
        await channel.TxCommitAsync();
        await ReadyBecomesAsync(queue, 1);
    }

    [Fact]
    public async Task Tx_commit_and_rollback_without_select_are_406()
    {
        await ClosesChannelAsync(406, () => Channel.TxCommitAsync());
        await ClosesChannelAsync(406, () => Channel.TxRollbackAsync());
    }

    [Fact]
    public async Task Tx_select_on_a_confirming_channel_is_406()
    {
        IChannel channel = await OpenConfirmChannelAsync();
        await ClosesChannelAsync(channel, 406, () => channel.TxSelectAsync());
    }

    [Fact]
    public async Task Tx_mandatory_unroutable_is_returned_at_commit()
    {
        IChannel channel = await OpenChannelAsync();
        int returns = 0;
        channel.BasicReturnAsync += (_, _) =>
        {
            Interlocked.Increment(ref returns);
            return Task.CompletedTask;
        };
        await channel.TxSelectAsync();
        await PublishAsync(channel, "", "conformance.missing", "x", mandatory: true);
        await channel.QueueDeclareAsync();
        await channel.TxCommitAsync();
        await EventuallyAsync(() => Task.FromResult(Volatile.Read(ref returns) == 1), "a return");
    }
}
