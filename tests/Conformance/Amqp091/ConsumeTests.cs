using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>basic.consume, basic.cancel, basic.qos and competing consumers.</summary>
public sealed class ConsumeTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Basic_consume_delivers_in_order_with_rising_tags()
    {
        string queue = await QueueAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(Channel, queue);
        for (int i = 0; i < 200; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        IReadOnlyList<Delivery> got = await consumer.TakeAsync(200);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i.ToString()), got.Select(d => d.Body));
        Assert.Equal(Enumerable.Range(1, 200).Select(i => (ulong)i), got.Select(d => d.Tag));
        Assert.All(got, d => Assert.Equal((false, consumer.Tag), (d.Redelivered, d.ConsumerTag)));
    }

    [Fact]
    public async Task Basic_consume_without_a_tag_gets_one_from_the_server()
    {
        string queue = await QueueAsync();
        TestConsumer one = await TestConsumer.StartAsync(Channel, queue);
        TestConsumer two = await TestConsumer.StartAsync(Channel, queue);
        Assert.StartsWith("amq.ctag-", one.Tag);
        Assert.NotEqual(one.Tag, two.Tag);
    }

    [Fact]
    public async Task Basic_consume_tag_in_use_on_the_channel_closes_the_connection_530()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString("").Octet(0b0100).Table());
        string queue = (await client.ExpectAsync(1, Methods.QueueDeclareOk)).Arguments.ShortString();
        await client.SendMethodAsync(1, Methods.BasicConsume, w => w.Short(0).ShortString(queue).ShortString("tag").Octet(0).Table());
        await client.ExpectAsync(1, Methods.BasicConsumeOk);
        await client.SendMethodAsync(1, Methods.BasicConsume, w => w.Short(0).ShortString(queue).ShortString("tag").Octet(0).Table());
        await client.ExpectConnectionCloseAsync(530);
    }

    [Fact]
    public async Task Basic_consume_from_a_missing_queue_is_404()
    {
        ShutdownEventArgs reason = await ClosesChannelAsync(404, () => TestConsumer.StartAsync(Channel, "conformance.missing"));
        Assert.Equal((60, 20), (reason.ClassId, reason.MethodId));
    }

    [Fact]
    public async Task Basic_consume_exclusive_locks_out_other_consumers_403()
    {
        string queue = await QueueAsync();
        IChannel other = await OpenChannelAsync();
        await TestConsumer.StartAsync(other, queue, exclusive: true);
        ShutdownEventArgs reason = await ClosesChannelAsync(403, () => TestConsumer.StartAsync(Channel, queue));
        Assert.Equal($"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use", reason.ReplyText);
        await other.CloseAsync();
        await TestConsumer.StartAsync(Channel, queue, exclusive: true);
    }

    [Fact]
    public async Task Basic_consume_exclusive_of_a_queue_with_consumers_is_403()
    {
        string queue = await QueueAsync();
        IChannel other = await OpenChannelAsync();
        await TestConsumer.StartAsync(other, queue);
        await ClosesChannelAsync(403, () => TestConsumer.StartAsync(Channel, queue, exclusive: true));
    }

    [Fact]
    public async Task Basic_cancel_stops_deliveries_and_leaves_the_unacknowledged_to_ack()
    {
        string queue = await QueueAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(Channel, queue);
        await SendAsync(queue, "first");
        Delivery first = await consumer.NextAsync();
        await Channel.BasicCancelAsync(consumer.Tag);
        await SendAsync(queue, "second");
        await ReadyBecomesAsync(queue, 1);
        await Channel.BasicAckAsync(first.Tag, multiple: false);
        Assert.Equal(1, consumer.Received);
        Assert.Equal("second", (await GetAsync(queue)).Body);
    }

    [Fact]
    public async Task Basic_cancel_of_an_unknown_tag_is_ok()
    {
        await Channel.BasicCancelAsync("never seen");
    }

    [Fact]
    public async Task Basic_consume_shares_evenly_among_competing_consumers()
    {
        string queue = await QueueAsync();
        var consumers = new List<TestConsumer>();
        for (int i = 0; i < 3; i++)
        {
            IChannel channel = await OpenChannelAsync();
            await channel.BasicQosAsync(0, 10, false);
            consumers.Add(await TestConsumer.StartAsync(channel, queue));
        }

        for (int i = 0; i < 30; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        foreach (TestConsumer consumer in consumers)
        {
            await consumer.TakeAsync(10);
        }

        Assert.All(consumers, c => Assert.Equal(10, c.Received));
    }

    [Fact]
    public async Task Basic_qos_prefetch_count_holds_back_until_an_ack()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 10);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 3, global: false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue);
        IReadOnlyList<Delivery> got = await consumer.TakeAsync(3);
        await ReadyBecomesAsync(queue, 7);
        Assert.Equal(3, consumer.Received);
        await channel.BasicAckAsync(got[0].Tag, false);
        Assert.Equal("3", (await consumer.NextAsync()).Body);
        await ReadyBecomesAsync(queue, 6);
        await channel.BasicAckAsync(got[2].Tag, multiple: true);
        Assert.Equal(["4", "5"], (await consumer.TakeAsync(2)).Select(d => d.Body));
        await ReadyBecomesAsync(queue, 4);
        Assert.Equal(6, consumer.Received);
    }

    [Fact]
    public async Task Basic_qos_not_global_counts_each_new_consumer_by_itself()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 10);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 2, global: false);
        TestConsumer one = await TestConsumer.StartAsync(channel, queue);
        await channel.BasicQosAsync(0, 5, global: false);
        TestConsumer two = await TestConsumer.StartAsync(channel, queue);
        await one.TakeAsync(2);
        await two.TakeAsync(5);
        await ReadyBecomesAsync(queue, 3);
        Assert.Equal((2, 5), (one.Received, two.Received));
    }

    [Fact]
    public async Task Basic_qos_global_counts_the_whole_channel()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 10);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 4, global: true);
        TestConsumer one = await TestConsumer.StartAsync(channel, queue);
        TestConsumer two = await TestConsumer.StartAsync(channel, queue);
        await EventuallyAsync(() => Task.FromResult(one.Received + two.Received == 4), "4 deliveries in all");
        await ReadyBecomesAsync(queue, 6);
        Assert.Equal(4, one.Received + two.Received);
        Delivery first = await (one.Received > 0 ? one : two).NextAsync();
        await channel.BasicAckAsync(first.Tag, false);
        await ReadyBecomesAsync(queue, 5);
        await EventuallyAsync(() => Task.FromResult(one.Received + two.Received == 5), "a fifth delivery");
    }

    [Fact]
    public async Task Basic_qos_does_not_hold_back_auto_ack_consumers()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 10);
        IChannel channel = await OpenChannelAsync();
        await channel.BasicQosAsync(0, 1, global: false);
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue, autoAck: true);
        await consumer.TakeAsync(10);
    }

    [Fact]
    public async Task Basic_qos_prefetch_size_is_not_implemented_540()
    {
        IConnection connection = await ConnectAsync();
        IChannel channel = await connection.CreateChannelAsync();
        ShutdownEventArgs reason = await ClosesConnectionAsync(connection, 540, () => channel.BasicQosAsync(10, 0, false));
        Assert.StartsWith("NOT_IMPLEMENTED - prefetch_size!=0", reason.ReplyText);
    }

    [Fact]
    public async Task Basic_get_does_not_count_against_per_consumer_prefetch()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 5);
        await Channel.BasicQosAsync(0, 1, global: false);
        await GetAsync(queue, autoAck: false);
        await GetAsync(queue, autoAck: false);
    }

    [Fact]
    public async Task Consumer_priority_serves_the_highest_first_and_the_next_when_it_is_full()
    {
        string queue = await QueueAsync();
        IChannel lowChannel = await OpenChannelAsync();
        IChannel highChannel = await OpenChannelAsync();
        await lowChannel.BasicQosAsync(0, 10, false);
        await highChannel.BasicQosAsync(0, 2, false);
        TestConsumer low = await TestConsumer.StartAsync(lowChannel, queue, arguments: Arguments(("x-priority", -5)));
        TestConsumer high = await TestConsumer.StartAsync(highChannel, queue, arguments: Arguments(("x-priority", 10)));
        for (int i = 0; i < 5; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        Assert.Equal(["0", "1"], (await high.TakeAsync(2)).Select(d => d.Body));
        Assert.Equal(["2", "3", "4"], (await low.TakeAsync(3)).Select(d => d.Body));
    }

    [Theory]
    [InlineData("x-priority", "high")]
    public async Task Consumer_argument_of_wrong_type_is_406(string key, object value)
    {
        string queue = await QueueAsync();
        await ClosesChannelAsync(406, () => TestConsumer.StartAsync(Channel, queue, arguments: Arguments((key, value))));
    }

    [Fact]
    public async Task Single_active_consumer_others_wait_until_it_goes()
    {
        string queue = await QueueAsync(Arguments(("x-single-active-consumer", true)));
        IChannel firstChannel = await OpenChannelAsync();
        IChannel secondChannel = await OpenChannelAsync();
        TestConsumer first = await TestConsumer.StartAsync(firstChannel, queue, autoAck: true);
        TestConsumer second = await TestConsumer.StartAsync(secondChannel, queue, autoAck: true);
        for (int i = 0; i < 5; i++)
        {
            await SendAsync(queue, i.ToString());
        }

        await first.TakeAsync(5);
        Assert.Equal(0, second.Received);
        await firstChannel.BasicCancelAsync(first.Tag);
        await SendAsync(queue, "next");
        Assert.Equal("next", (await second.NextAsync()).Body);
    }

    [Fact]
    public async Task Single_active_consumer_gone_with_unacknowledged_messages_hands_them_over()
    {
        string queue = await QueueAsync(Arguments(("x-single-active-consumer", true)));
        IChannel firstChannel = await OpenChannelAsync();
        IChannel secondChannel = await OpenChannelAsync();
        TestConsumer first = await TestConsumer.StartAsync(firstChannel, queue);
        TestConsumer second = await TestConsumer.StartAsync(secondChannel, queue);
        await FillNoWaitAsync(queue, 3);
        await first.TakeAsync(3);
        await firstChannel.CloseAsync();
        IReadOnlyList<Delivery> handed = await second.TakeAsync(3);
        Assert.Equal(["0", "1", "2"], handed.Select(d => d.Body));
        Assert.All(handed, d => Assert.True(d.Redelivered));
    }

    [Fact]
    public async Task Single_active_consumer_exclusive_consumer_is_403()
    {
        string queue = await QueueAsync(Arguments(("x-single-active-consumer", true)));
        await ClosesChannelAsync(403, () => TestConsumer.StartAsync(Channel, queue, exclusive: true));
    }

    [Fact]
    public async Task Basic_consume_auto_ack_leaves_nothing_unacknowledged()
    {
        string queue = await QueueAsync();
        IChannel channel = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue, autoAck: true);
        await SendAsync(queue, "x");
        await consumer.NextAsync();
        await channel.CloseAsync();
        Assert.Equal(0u, await ReadyAsync(queue));
        Assert.Null(await TryGetAsync(Channel, queue));
    }

    [Fact]
    public async Task Basic_consume_waits_for_what_is_published_later()
    {
        string queue = await QueueAsync();
        IChannel channel = await OpenChannelAsync();
        TestConsumer consumer = await TestConsumer.StartAsync(channel, queue, autoAck: true);
        for (int i = 0; i < 20; i++)
        {
            await SendAsync(queue, i.ToString());
            Assert.Equal(i.ToString(), (await consumer.NextAsync()).Body);
        }
    }

    [Fact]
    public async Task Basic_get_from_an_empty_queue_is_get_empty()
    {
        string queue = await QueueAsync();
        Assert.Null(await Channel.BasicGetAsync(queue, autoAck: true));
    }

    [Fact]
    public async Task Basic_get_tells_how_many_are_left()
    {
        string queue = await QueueAsync();
        await FillAsync(queue, 3);
        for (uint left = 2; ; left--)
        {
            BasicGetResult got = (await Channel.BasicGetAsync(queue, autoAck: true))!;
            Assert.Equal(left, got.MessageCount);
            Assert.Equal((queue, ""), (got.RoutingKey, got.Exchange));
            if (left == 0)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task Basic_get_from_a_missing_queue_is_404()
    {
        await ClosesChannelAsync(404, () => Channel.BasicGetAsync("conformance.missing", true));
    }

    [Fact]
    public async Task Basic_consume_by_a_slow_reader_loses_nothing()
    {
        string queue = await QueueAsync();
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.QueueDeclare, w => w.Short(0).ShortString("").Octet(0b0100).Table());
        string own = (await client.ExpectAsync(1, Methods.QueueDeclareOk)).Arguments.ShortString();
        byte[] body = new byte[100_000];
        for (int i = 0; i < 300; i++)
        {
            body[0] = (byte)i;
            await Channel.BasicPublishAsync("", own, false, new BasicProperties(), body);
        }

        await client.SendMethodAsync(1, Methods.BasicConsume, w => w.Short(0).ShortString(own).ShortString("").Octet(0b0010).Table());
        await client.ExpectAsync(1, Methods.BasicConsumeOk);

        // 30 MB wait for a reader that has not begun; another connection's work goes on meanwhile.
        await SendAsync(queue, "meanwhile");
        Assert.Equal("meanwhile", (await GetAsync(queue)).Body);
        for (int i = 0; i < 300; i++)
        {
            await client.ExpectAsync(1, Methods.BasicDeliver);
            Assert.Equal(RawFrame.Header, (await client.ReadFrameAsync())!.Type);
            int received = 0;
            while (received < body.Length)
            {
                RawFrame part = (await client.ReadFrameAsync())!;
                if (received == 0)
                {
                    Assert.Equal((byte)i, part.Payload[0]);
                }

                received += part.Payload.Length;
            }
        }
    }

    private async Task FillNoWaitAsync(string queue, int count)
    {
        for (int i = 0; i < count; i++)
        {
            await SendAsync(queue, i.ToString());
        }
    }
}
