// Publisher confirms: the broker says of each message that it has taken responsibility for it. Three ways to wait for that.
using System.Collections.Concurrent;
using System.Diagnostics;

const int Messages = 5_000;
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
var persistent = new BasicProperties { Persistent = true };

await MeasureAsync("one at a time", Messages / 10, tracked: true, async (channel, queue, count) =>
{
    for (int i = 0; i < count; i++)
    {
        // On a tracking channel the publish completes with the confirm, or throws when the broker refuses the message.
        await channel.BasicPublishAsync("", queue, mandatory: true, persistent, Body(i));
    }
});

await MeasureAsync("in batches of 100", Messages, tracked: true, async (channel, queue, count) =>
{
    var batch = new List<Task>();
    for (int i = 0; i < count; i++)
    {
        batch.Add(channel.BasicPublishAsync("", queue, mandatory: true, persistent, Body(i)).AsTask());
        if (batch.Count == 100)
        {
            await Task.WhenAll(batch);
            batch.Clear();
        }
    }

    await Task.WhenAll(batch);
});

await MeasureAsync("as they come", Messages, tracked: false, async (channel, queue, count) =>
{
    var outstanding = new ConcurrentDictionary<ulong, int>();
    var all = new TaskCompletionSource();
    ulong nextConfirmed = 1;
    channel.BasicAcksAsync += (_, ack) =>
    {
        // One confirm may speak for all messages up to its number.
        for (ulong number = ack.Multiple ? nextConfirmed : ack.DeliveryTag; number <= ack.DeliveryTag; number++)
        {
            outstanding.TryRemove(number, out int _);
        }

        nextConfirmed = ack.Multiple ? ack.DeliveryTag + 1 : nextConfirmed;
        if (ack.DeliveryTag == (ulong)count || outstanding.IsEmpty)
        {
            all.TrySetResult();
        }

        return Task.CompletedTask;
    };
    channel.BasicNacksAsync += (_, nack) =>
    {
        all.TrySetException(new InvalidOperationException($"message {nack.DeliveryTag} was refused"));
        return Task.CompletedTask;
    };
    for (int i = 0; i < count; i++)
    {
        outstanding[await channel.GetNextPublishSequenceNumberAsync()] = i;
        await channel.BasicPublishAsync("", queue, mandatory: true, persistent, Body(i));
    }

    while (!outstanding.IsEmpty)
    {
        await Task.WhenAny(all.Task, Task.Delay(50));
    }
});

async Task MeasureAsync(string how, int count, bool tracked, Func<IChannel, string, int, Task> publish)
{
    await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: tracked));
    string queue = (await channel.QueueDeclareAsync()).QueueName;
    var clock = Stopwatch.StartNew();
    await publish(channel, queue, count);
    TimeSpan took = clock.Elapsed;
    uint stored = await channel.MessageCountAsync(queue);
    Console.WriteLine($"{how}: {count} messages confirmed in {took.TotalMilliseconds:F0} ms, {count / took.TotalSeconds:F0} a second; {stored} in the queue");
    await channel.QueueDeleteAsync(queue);
}

static byte[] Body(int i) => Encoding.UTF8.GetBytes(i.ToString());
