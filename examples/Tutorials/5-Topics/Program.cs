// Topics: binding patterns over words; * is one word, # is any number of words.
//   dotnet run                       two subscribers with patterns, four messages
//   dotnet run emit KEY TEXT…        publishes a message
//   dotnet run receive PATTERN…      prints messages that match until Enter is pressed
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync();
await channel.ExchangeDeclareAsync("topic_logs", ExchangeType.Topic);

switch (args)
{
    case ["emit", var key, .. var words]:
        await EmitAsync(key, string.Join(' ', words));
        break;
    case ["receive", .. var patterns]:
        await SubscribeAsync("subscriber", int.MaxValue, patterns);
        Console.WriteLine(" [*] Waiting for messages. Press Enter to end.");
        Console.ReadLine();
        break;
    default:
        Task orange = await SubscribeAsync("*.orange.*", 2, "*.orange.*");
        Task rabbitsAndLazy = await SubscribeAsync("*.*.rabbit, lazy.#", 3, "*.*.rabbit", "lazy.#");
        await EmitAsync("quick.orange.rabbit", "to both");
        await EmitAsync("lazy.orange.elephant", "to both");
        await EmitAsync("lazy.pink.rabbit", "to the second, once though both its patterns match");
        await EmitAsync("quick.brown.fox", "to none");
        await Task.WhenAll(orange, rabbitsAndLazy).WaitAsync(TimeSpan.FromSeconds(10));
        break;
}

async Task EmitAsync(string key, string text)
{
    await channel.BasicPublishAsync("topic_logs", routingKey: key, Encoding.UTF8.GetBytes(text));
    Console.WriteLine($" [x] Sent '{key}':'{text}'");
}

// Completes with the message number `expected`.
async Task<Task> SubscribeAsync(string name, int expected, params string[] patterns)
{
    string queue = (await channel.QueueDeclareAsync()).QueueName;
    foreach (string pattern in patterns)
    {
        await channel.QueueBindAsync(queue, "topic_logs", routingKey: pattern);
    }

    var complete = new TaskCompletionSource();
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += (_, delivery) =>
    {
        Console.WriteLine($" [{name}] '{delivery.RoutingKey}':'{Encoding.UTF8.GetString(delivery.Body.Span)}'");
        if (--expected == 0)
        {
            complete.TrySetResult();
        }

        return Task.CompletedTask;
    };
    await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    return complete.Task;
}
