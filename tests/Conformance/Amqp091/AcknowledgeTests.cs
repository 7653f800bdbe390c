using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>basic.ack, reject, nack, recover: what returns to the queue, where, and with which flag.</summary>
public sealed class AcknowledgeTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Basic_ack_settles_one_message()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 2);
        IChannel channel = await OpenChannelAsync();
        Delivery first = (await TryGetAsync(channel, queue, autoAck: false))!;
        Delivery second = (await TryGetAsync(channel, queue, autoAck: false))!;
        await channel.BasicAckAsync(second.Tag, multiple: false);
        await channel.CloseAsync();
        Delivery again = await GetAsync(queue);
        Assert.Equal((first.Body, true), (again.Body, again.Redelivered));
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Theory]
    [InlineData(2UL, 3)]
    [InlineData(0UL, 0)]
    public async Task Basic_ack_multiple_settles_all_up_to_the_tag_and_zero_all(ulong tag, int left)
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        IChannel channel = await OpenChannelAsync();
        for (int i = 0; i < 5; i++)
        {
            await TryGetAsync(channel, queue, autoAck: false);
        }

        await channel.BasicAckAsync(tag, multiple: true);
        await channel.CloseAsync();
        await ReadyBecomesAsync(queue, (uint)left);
    }

    [Fact]
    public async Task Basic_ack_of_an_unknown_tag_is_406()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(406, async () => await Channel.BasicAckAsync(17, false));
        Assert.Equal("PRECONDITION_FAILED - unknown delivery tag 17", reason.ReplyText);
        Assert.Equal((60, 80), (reason.ClassId, reason.MethodId));
    }

    [Fact]
    public async Task Basic_ack_twice_is_406()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        Delivery got = await GetAsync(queue, autoAck: false);
        await Channel.BasicAckAsync(got.Tag, false);
        await ClosesChannelAsync(406, async () => await Channel.BasicAckAsync(got.Tag, false));
    }

    [Fact]
    public async Task Basic_nack_and_reject_of_an_unknown_tag_are_406()
    {
        await ClosesChannelAsync(406, async () => await Channel.BasicNackAsync(17, false, true));
        await ClosesChannelAsync(406, async () => await Channel.BasicRejectAsync(17, true));
    }

    [Fact]
    public async Task Basic_ack_of_an_auto_acknowledged_delivery_is_406()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        Delivery got = await GetAsync(queue, autoAck: true);
        await ClosesChannelAsync(406, async () => await Channel.BasicAckAsync(got.Tag, false));
    }

    [Fact]
    public async Task Basic_reject_with_requeue_returns_the_message_redelivered()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        Delivery got = await GetAsync(queue, autoAck: false);
        Assert.False(got.Redelivered);
        await Channel.BasicRejectAsync(got.Tag, requeue: true);
        Delivery again = await GetAsync(queue, autoAck: false);
        Assert.Equal((got.Body, true), (again.Body, again.Redelivered));
    }

    [Fact]
    public async Task Basic_reject_without_requeue_drops_the_message()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        Delivery got = await GetAsync(queue, autoAck: false);
        await Channel.BasicRejectAsync(got.Tag, requeue: false);
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Basic_nack_requeue_restores_the_original_order()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 6);
        var held = new List<Delivery>();
        for (int i = 0; i < 4; i++)
        {
            held.Add(await GetAsync(queue, autoAck: false));
        }

        await Channel.BasicNackAsync(held[2].Tag, multiple: false, requeue: true);
        await Channel.BasicNackAsync(held[0].Tag, multiple: false, requeue: true);
        Assert.Equal(["0", "2", "4", "5"], await GetBodiesAsync(queue, 4));
    }

    [Fact]
    public async Task Basic_nack_multiple_returns_all_up_to_the_tag()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        for (int i = 0; i < 5; i++)
        {
            await GetAsync(queue, autoAck: false);
        }

        await Channel.BasicNackAsync(3, multiple: true, requeue: true);
        await ReadyBecomesAsync(queue, 3);
        Assert.Equal(["0", "1", "2"], await GetBodiesAsync(queue, 3));
    }

    [Fact]
    public async Task Basic_nack_multiple_without_requeue_drops_all_up_to_the_tag()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        IChannel channel = await OpenChannelAsync();
        for (int i = 0; i < 5; i++)
        {
            await TryGetAsync(channel, queue, autoAck: false);
        }

        await channel.BasicNackAsync(3, multiple: true, requeue: false);
        await channel.CloseAsync();
        Assert.Equal(["3", "4"], await GetBodiesAsync(queue, 2));
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Channel_close_returns_the_unacknowledged_in_order_and_marked()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        IChannel channel = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue);
        await consumer.TakeAsync(5);
        await channel.CloseAsync();
        for (int i = 0; i < 5; i++)
        {
            Delivery got = await GetAsync(queue);
            Assert.Equal((i.ToString(), true), (got.Body, got.Redelivered));
        }
    }

    [Fact]
    public async Task Connection_lost_returns_the_unacknowledged()
    {
        string queue = await DurableQueueAsync();
        await FillAsync(queue, 3);
        RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicConsume, w => w.Short(0).ShortString(queue).ShortString("").Octet(0).Table());
        await client.ExpectAsync(1, Methods.BasicConsumeOk);
        await client.ExpectAsync(1, Methods.BasicDeliver);
        await ReadyBecomesAsync(queue, 0);
        await client.DisposeAsync();
        await ReadyBecomesAsync(queue, 3);
        Delivery got = await GetAsync(queue);
        Assert.Equal(("0", true), (got.Body, got.Redelivered));
    }

    [Fact]
    public async Task Basic_nack_requeue_goes_to_another_consumer_too()
    {
        string queue = await QueueAsync();
        IChannel one = await OpenChannelAsync();
        TestConsumer refusing = await TestConsumer.StartAsync(one, queue);
        await SendAsync(queue, "x");
        Delivery got = await refusing.NextAsync();
        IChannel two = await OpenChannelAsync();
        TestConsumer taking = await TestConsumer.StartAsync(two, queue);
        await one.BasicCancelAsync(refusing.Tag);
        await one.BasicNackAsync(got.Tag, false, requeue: true);
        Delivery taken = await taking.NextAsync();
        Assert.Equal(("x", true), (taken.Body, taken.Redelivered));
    }

    [Fact]
    public async Task Basic_recover_with_requeue_redelivers_what_is_unacknowledged()
    {
        string queue = await DurableQueueAsync();
        await FillAsync(queue, 2);
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        foreach (int _ in (int[])[0, 1])
        {
            await client.SendMethodAsync(1, Methods.BasicGet, w => w.Short(0).ShortString(queue).Octet(0));
            await client.ExpectAsync(1, Methods.BasicGetOk);
            await client.ReadFrameAsync();
            await client.ReadFrameAsync();
        }

        await client.SendMethodAsync(1, Methods.BasicRecover, w => w.Octet(1));
        await client.ExpectAsync(1, Methods.BasicRecoverOk);
        await ReadyBecomesAsync(queue, 2);
        Delivery got = await GetAsync(queue);
        Assert.Equal(("0", true), (got.Body, got.Redelivered));
    }

    [Fact]
    public async Task Basic_recover_without_requeue_is_not_implemented_540()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicRecover, w => w.Octet(0));
        await client.ExpectConnectionCloseAsync(540);
    }

    [Fact]
    public async Task Basic_recover_async_requeues_without_an_answer()
    {
        string queue = await DurableQueueAsync();
        await FillAsync(queue, 1);
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicGet, w => w.Short(0).ShortString(queue).Octet(0));
        await client.ExpectAsync(1, Methods.BasicGetOk);
        await client.ReadFrameAsync();
        await client.ReadFrameAsync();
        await client.SendMethodAsync(1, Methods.BasicRecoverAsync, w => w.Octet(1));
        await ReadyBecomesAsync(queue, 1);
        await client.SendMethodAsync(1, Methods.TxSelect);
        await client.ExpectAsync(1, Methods.TxSelectOk);
    }

    [Fact]
    public async Task Basic_ack_on_another_channel_is_406()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 1);
        IChannel other = await OpenChannelAsync();
        Delivery got = (await TryGetAsync(other, queue, autoAck: false))!;
        await ClosesChannelAsync(406, async () => await Channel.BasicAckAsync(got.Tag, false));
    }
}
