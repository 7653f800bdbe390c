using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Sluice.Conformance.Amqp091;

/// <summary>basic.publish: confirms, returns, validation of properties.</summary>
public sealed class PublishTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Confirm_select_every_publish_is_acknowledged_once(bool persistent)
    {
        const int Count = 1000;
        string queue = await DurableQueueAsync();
        IChannel channel = await OpenConfirmChannelAsync();
        var confirms = new ConfirmLog(channel);
        for (int i = 0; i < Count; i++)
        {
            Assert.Equal((ulong)i + 1, await channel.GetNextPublishSequenceNumberAsync());
            await PublishAsync(channel, "", queue, i.ToString(), new BasicProperties { Persistent = persistent });
        }

        await confirms.SettledAsync(Count);
        Assert.All(Enumerable.Range(1, Count), tag => Assert.Equal(1, confirms.Acked.GetValueOrDefault((ulong)tag)));
        Assert.Empty(confirms.Nacked);
        Assert.Equal((uint)Count, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Confirm_select_unroutable_is_acknowledged_too()
    {
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "amq.direct", "conformance.nowhere", "x");
    }

    [Fact]
    public async Task Confirm_select_twice_is_ok_and_no_wait_is_not_answered()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.ConfirmSelect, w => w.Octet(0));
        await client.ExpectAsync(1, Methods.ConfirmSelectOk);
        await client.SendMethodAsync(1, Methods.ConfirmSelect, w => w.Octet(1));
        await client.SendMethodAsync(1, Methods.ConfirmSelect, w => w.Octet(0));
        await client.ExpectAsync(1, Methods.ConfirmSelectOk);
    }

    [Fact]
    public async Task Confirm_select_on_a_transactional_channel_is_406()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.TxSelect);
        await client.ExpectAsync(1, Methods.TxSelectOk);
        await client.SendMethodAsync(1, Methods.ConfirmSelect, w => w.Octet(0));
        await client.ExpectChannelCloseAsync(1, 406);
    }

    [Fact]
    public async Task Confirm_comes_after_the_message_is_in_the_queue()
    {
        string queue = await QueueAsync();
        IChannel channel = await OpenTrackingChannelAsync();
        for (uint i = 1; i <= 20; i++)
        {
            await PublishAsync(channel, "", queue, "x");
            Assert.Equal(i, await ReadyAsync(queue));
        }
    }

    [Fact]
    public async Task Mandatory_unroutable_is_returned_312_and_then_confirmed()
    {
        string exchange = await ExchangeAsync("direct");
        IChannel channel = await OpenConfirmChannelAsync();
        var order = new ConcurrentQueue<string>();
        BasicReturnEventArgs? returned = null;
        channel.BasicReturnAsync += (_, e) =>
        {
            returned = e;
            Assert.Equal("come back", System.Text.Encoding.UTF8.GetString(e.Body.Span));
            order.Enqueue("return");
            return Task.CompletedTask;
        };
        channel.BasicAcksAsync += (_, _) =>
        {
            order.Enqueue("ack");
            return Task.CompletedTask;
        };
        await PublishAsync(channel, exchange, "nowhere", "come back", new BasicProperties { MessageId = "m1" }, mandatory: true);
        await EventuallyAsync(() => Task.FromResult(order.Count == 2), "a return and an ack");
        Assert.Equal(["return", "ack"], order);
        Assert.Equal((312, "NO_ROUTE", exchange, "nowhere", "m1"), (returned!.ReplyCode, returned.ReplyText, returned.Exchange, returned.RoutingKey, returned.BasicProperties.MessageId));
    }

    [Fact]
    public async Task Mandatory_routable_is_not_returned()
    {
        string queue = await QueueAsync();
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "", queue, "x", mandatory: true);
        Assert.Equal(1u, await ReadyAsync(queue));
    }

    [Fact]
    public async Task Mandatory_unroutable_makes_a_tracked_publish_fail()
    {
        IChannel channel = await OpenTrackingChannelAsync();
        PublishException failure = await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, "", "conformance.missing", "x", mandatory: true));
        Assert.True(failure.IsReturn);
    }

    [Fact]
    public async Task Immediate_is_not_implemented_540()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.PublishAsync(1, "", "q", [1], flags: 0b10);
        await client.ExpectConnectionCloseAsync(540);
    }

    [Fact]
    public async Task User_id_must_be_the_connections_user_406()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "mine", new BasicProperties { UserId = "guest" });
        Assert.Equal("guest", (await GetAsync(queue)).Properties.UserId);
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => SendAsync(queue, "not mine", new BasicProperties { UserId = "somebody" }));
        Assert.StartsWith("PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'", reason.ReplyText);
    }

    [Theory]
    [InlineData("soon")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("")]
    public async Task Expiration_that_is_no_number_is_406(string expiration)
    {
        string queue = await QueueAsync();
        ShutdownEventArgs reason = await ClosesChannelAsync(406, () => SendAsync(queue, "x", new BasicProperties { Expiration = expiration }));
        Assert.StartsWith("PRECONDITION_FAILED - invalid expiration", reason.ReplyText);
    }

    [Fact]
    public async Task Publish_on_a_closed_channel_is_504()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.PublishAsync(9, "", "q", [1]);
        await client.ExpectConnectionCloseAsync(504);
    }

    [Fact]
    public async Task Publish_larger_than_the_maximum_message_size_is_406()
    {
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.SendMethodAsync(1, Methods.BasicPublish, w => w.Short(0).ShortString("").ShortString("q").Octet(0));
        await client.SendFrameAsync(RawFrame.Header, 1, RawClient.ContentHeader(600UL << 20));
        if (BrokerFixture.IsRabbitMq)
        {
            Assert.Skip("RabbitMQ counts only after the whole body has come (default limit 128 MiB); not worth 600 MB of traffic.");
        }

        await client.ExpectChannelCloseAsync(1, 406);
    }

    [Theory]
    [InlineData(false, 404)]
    [InlineData(true, 403)]
    public async Task Publish_that_ends_its_channel_is_never_confirmed(bool isInternal, ushort code)
    {
        string exchange = $"conformance.{Guid.NewGuid():N}";
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        if (isInternal)
        {
            const byte AutoDeleteInternal = 0x0C;
            await client.SendMethodAsync(1, Methods.ExchangeDeclare, w => w.Short(0).ShortString(exchange).ShortString("fanout").Octet(AutoDeleteInternal).Table());
            await client.ExpectAsync(1, Methods.ExchangeDeclareOk);
        }

        await client.SendMethodAsync(1, Methods.ConfirmSelect, w => w.Octet(0));
        await client.ExpectAsync(1, Methods.ConfirmSelectOk);
        await client.PublishAsync(1, exchange, "k", [1]);
        await client.ExpectChannelCloseAsync(1, code);
        if (isInternal)
        {
            await Channel.ExchangeDeleteAsync(exchange);
        }
    }

    [Fact]
    public async Task Channel_error_amid_a_stream_of_publishes_ignores_the_rest_until_close_ok()
    {
        string queue = await DurableQueueAsync();
        await using RawClient client = await RawClient.OpenWithChannelAsync(Broker.Address);
        await client.PublishAsync(1, "", queue, [1]);
        await client.PublishAsync(1, "conformance.missing", "k", [2]);
        for (int i = 0; i < 50; i++)
        {
            await client.PublishAsync(1, "", queue, [3]);
        }

        await client.ExpectChannelCloseAsync(1, 404);
        await client.OpenChannelAsync(1);
        await client.PublishAsync(1, "", queue, [4]);
        await ReadyBecomesAsync(queue, 2);
        Assert.Equal(["\u0001", "\u0004"], await GetBodiesAsync(queue, 2));
    }

    [Fact]
    public async Task Nack_for_a_full_queue_with_reject_publish()
    {
        string queue = await QueueAsync(Arguments(("x-max-length", 2), ("x-overflow", "reject-publish")));
        IChannel channel = await OpenTrackingChannelAsync();
        await PublishAsync(channel, "", queue, "0");
        await PublishAsync(channel, "", queue, "1");
        PublishException failure = await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync(channel, "", queue, "2"));
        Assert.False(failure.IsReturn);
        await GetAsync(queue);
        await EventuallyAsync(async () =>
        {
            try
            {
                await PublishAsync(channel, "", queue, "3");
                return true;
            }
            catch (PublishException)
            {
                return false;
            }
        }, "room again");
        Assert.Equal(["1", "3"], await GetBodiesAsync(queue, 2));
    }

    private sealed class ConfirmLog
    {
        private readonly object _lock = new();
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private ulong _next = 1;
        private int _expected = int.MaxValue;

        public ConfirmLog(IChannel channel)
        {
            channel.BasicAcksAsync += (_, e) => Settle(e.DeliveryTag, e.Multiple, Acked);
            channel.BasicNacksAsync += (_, e) => Settle(e.DeliveryTag, e.Multiple, Nacked);
        }

        public Dictionary<ulong, int> Acked { get; } = [];

        public Dictionary<ulong, int> Nacked { get; } = [];

        public Task SettledAsync(int expected)
        {
            lock (_lock)
            {
                _expected = expected;
                Check();
            }

            return _done.Task.WaitAsync(Patience);
        }

        private Task Settle(ulong tag, bool multiple, Dictionary<ulong, int> to)
        {
            lock (_lock)
            {
                if (multiple)
                {
                    for (; _next <= tag; _next++)
                    {
                        if (!Acked.ContainsKey(_next) && !Nacked.ContainsKey(_next))
                        {
                            to[_next] = 1;
                        }
                    }
                }
                else
                {
                    to[tag] = to.GetValueOrDefault(tag) + 1;
                }

                Check();
            }

            return Task.CompletedTask;
        }

        private void Check()
        {
            if (Acked.Count + Nacked.Count >= _expected)
            {
                _done.TrySetResult();
            }
        }
    }
}
