// Routing: a direct exchange gives each subscriber the severities that it asked for.
//   dotnet run                          one subscriber for all severities, one for errors
//   dotnet run emit SEVERITY TEXT…      publishes a log line
//   dotnet run receive SEVERITY…        prints log lines of those severities until Enter is pressed
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync();
await channel.ExchangeDeclareAsync("direct_logs", ExchangeType.Direct);

switch (args)
{
    case ["emit", var severity, .. var words]:
        await EmitAsync(severity, string.Join(' ', words));
        break;
    case ["receive", .. var severities]:
        await SubscribeAsync("subscriber", int.MaxValue, severities);
        Console.WriteLine(" [*] Waiting for logs. Press Enter to end.");
        Console.ReadLine();
        break;
    default:
        Task all = await SubscribeAsync("screen", 3, "info", "warning", "error");
        Task errors = await SubscribeAsync("pager", 1, "error");
        await EmitAsync("info", "started");
        await EmitAsync("warning", "disk is filling");
        await EmitAsync("error", "disk is full");
        await Task.WhenAll(all, errors).WaitAsync(TimeSpan.FromSeconds(10));
        break;
}

async Task EmitAsync(string severity, string text)
{
    await channel.BasicPublishAsync("direct_logs", routingKey: severity, Encoding.UTF8.GetBytes(text));
    Console.WriteLine($" [x] Sent '{severity}':'{text}'");
}

// Completes with the message number `expected`.
async Task<Task> SubscribeAsync(string name, int expected, params string[] severities)
{
    string queue = (await channel.QueueDeclareAsync()).QueueName;
    foreach (string severity in severities)
    {
        await channel.QueueBindAsync(queue, "direct_logs", routingKey: severity);
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
