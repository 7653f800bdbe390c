// Hello World: one message through one queue.
//   dotnet run            sends and receives
//   dotnet run send       sends only
//   dotnet run receive    waits for messages until Enter is pressed
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync();
await channel.QueueDeclareAsync("hello", durable: false, exclusive: false, autoDelete: false);
string part = args.Length > 0 ? args[0] : "both";

if (part is "send" or "both")
{
    await channel.BasicPublishAsync(exchange: "", routingKey: "hello", "Hello World!"u8.ToArray());
    Console.WriteLine(" [x] Sent 'Hello World!'");
}

if (part is "receive" or "both")
{
    var first = new TaskCompletionSource();
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += (_, delivery) =>
    {
        Console.WriteLine($" [x] Received '{Encoding.UTF8.GetString(delivery.Body.Span)}'");
        first.TrySetResult();
        return Task.CompletedTask;
    };
    await channel.BasicConsumeAsync("hello", autoAck: true, consumer);
    if (part == "receive")
    {
        Console.WriteLine(" [*] Waiting for messages. Press Enter to end.");
        Console.ReadLine();
    }
    else
    {
        await first.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await channel.QueueDeleteAsync("hello");
    }
}
