// Publish/subscribe: a fanout exchange copies every message to every subscriber's own queue.
//   dotnet run               one log line, two subscribers
//   dotnet run emit TEXT…    publishes a log line
//   dotnet run receive       prints log lines until Enter is pressed
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync();
await channel.ExchangeDeclareAsync("logs", ExchangeType.Fanout);

switch (args)
{
    case ["emit", .. var words]:
        await EmitAsync(string.Join(' ', words));
        break;
    case ["receive"]:
        await SubscribeAsync("subscriber");
        Console.WriteLine(" [*] Waiting for logs. Press Enter to end.");
        Console.ReadLine();
        break;
    default:
        Task first = await SubscribeAsync("screen");
        Task second = await SubscribeAsync("disk");
        await EmitAsync("info: Hello World!");
        await Task.WhenAll(first, second).WaitAsync(TimeSpan.FromSeconds(10));
        break;
}

async Task EmitAsync(string line)
{
    await channel.BasicPublishAsync("logs", routingKey: "", Encoding.UTF8.GetBytes(line));
    Console.WriteLine($" [x] Sent '{line}'");
}

// Completes with the first message.
async Task<Task> SubscribeAsync(string name)
{
    // A queue with a name of the server's choice that goes away with this connection.
    string queue = (await channel.QueueDeclareAsync()).QueueName;
    await channel.QueueBindAsync(queue, "logs", routingKey: "");
    var received = new TaskCompletionSource();
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += (_, delivery) =>
    {
        Console.WriteLine($" [{name}] '{Encoding.UTF8.GetString(delivery.Body.Span)}'");
        received.TrySetResult();
        return Task.CompletedTask;
    };
    await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    return received.Task;
}
