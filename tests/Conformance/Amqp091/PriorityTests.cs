using RabbitMQ.Client;

namespace Sluice.Conformance.Amqp091;

/// <summary>Priority queues (x-max-priority, RabbitMQ extension).</summary>
public sealed class PriorityTests(BrokerFixture broker) : ConformanceTest(broker)
{
    [Fact]
    public async Task Priority_higher_first_and_first_in_first_out_within_one()
    {
        string queue = await QueueAsync(Arguments(("x-max-priority", 10)));
        foreach ((string body, byte priority) in ((string, byte)[])[("low1", 1), ("high1", 9), ("mid", 5), ("high2", 9), ("low2", 1)])
        {
            await SendAsync(queue, body, new BasicProperties { Priority = priority });
        }

        await ReadyBecomesAsync(queue, 5);
        Assert.Equal(["high1", "high2", "mid", "low1", "low2"], await GetBodiesAsync(queue, 5));
    }

    [Fact]
    public async Task Priority_absent_is_zero_and_above_the_maximum_is_the_maximum()
    {
        string queue = await QueueAsync(Arguments(("x-max-priority", 3)));
        await SendAsync(queue, "none");
        await SendAsync(queue, "zero", new BasicProperties { Priority = 0 });
        await SendAsync(queue, "three", new BasicProperties { Priority = 3 });
        await SendAsync(queue, "two hundred", new BasicProperties { Priority = 200 });
        await ReadyBecomesAsync(queue, 4);
        Assert.Equal(["three", "two hundred", "none", "zero"], await GetBodiesAsync(queue, 4));
    }

    [Fact]
    public async Task Priority_is_kept_on_requeue()
    {
        string queue = await QueueAsync(Arguments(("x-max-priority", 255)));
        await SendAsync(queue, "a9", new BasicProperties { Priority = 9 });
        await SendAsync(queue, "b9", new BasicProperties { Priority = 9 });
        await SendAsync(queue, "c1", new BasicProperties { Priority = 1 });
        await ReadyBecomesAsync(queue, 3);
        Delivery held = await GetAsync(queue, autoAck: false);
        Assert.Equal("a9", held.Body);
        await SendAsync(queue, "d200", new BasicProperties { Priority = 200 });
        await ReadyBecomesAsync(queue, 3);
        await Channel.BasicNackAsync(held.Tag, false, requeue: true);
        Assert.Equal(["d200", "a9", "b9", "c1"], await GetBodiesAsync(queue, 4));
    }

    [Fact]
    public async Task Priority_means_nothing_in_a_queue_without_levels()
    {
        string queue = await QueueAsync();
        await SendAsync(queue, "first", new BasicProperties { Priority = 1 });
        await SendAsync(queue, "second", new BasicProperties { Priority = 9 });
        Assert.Equal(["first", "second"], await GetBodiesAsync(queue, 2));
    }

    [Fact]
    public async Task Priority_length_limit_drops_from_the_head_the_highest_first()
    {
        string queue = await QueueAsync(Arguments(("x-max-priority", 5), ("x-max-length", 2)));
        await SendAsync(queue, "high", new BasicProperties { Priority = 5 });
        await SendAsync(queue, "low", new BasicProperties { Priority = 1 });
        await SendAsync(queue, "mid", new BasicProperties { Priority = 3 });
        await ReadyBecomesAsync(queue, 2);
        Assert.Equal(["mid", "low"], await GetBodiesAsync(queue, 2));
    }
}
