// Remote procedure call: a request names the queue for its reply and carries a correlation id.
//   dotnet run            a server and a client that asks for fib(30)
//   dotnet run server     serves until Enter is pressed
//   dotnet run client N   asks for fib(N)
using System.Collections.Concurrent;

const string Queue = "rpc_queue";
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();

switch (args)
{
    case ["server"]:
        await ServeAsync();
        Console.WriteLine(" [x] Awaiting RPC requests. Press Enter to end.");
        Console.ReadLine();
        break;
    case ["client", var number]:
        await AskAsync(int.Parse(number));
        break;
    default:
        IChannel server = await ServeAsync();
        await AskAsync(30);
        await server.QueueDeleteAsync(Queue);
        break;
}

async Task<IChannel> ServeAsync()
{
    IChannel channel = await connection.CreateChannelAsync();
    await channel.QueueDeclareAsync(Queue, durable: false, exclusive: false, autoDelete: false);
    await channel.BasicQosAsync(0, prefetchCount: 1, global: false);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += async (_, request) =>
    {
        int n = int.Parse(Encoding.UTF8.GetString(request.Body.Span));
        Console.WriteLine($" [server] fib({n})");
        var properties = new BasicProperties { CorrelationId = request.BasicProperties.CorrelationId };
        await channel.BasicPublishAsync("", request.BasicProperties.ReplyTo!, mandatory: true, properties, Encoding.UTF8.GetBytes(Fibonacci(n).ToString()));
        await channel.BasicAckAsync(request.DeliveryTag, multiple: false);
    };
    await channel.BasicConsumeAsync(Queue, autoAck: false, consumer);
    return channel;
}

async Task AskAsync(int n)
{
    await using IChannel channel = await connection.CreateChannelAsync();
    var waiting = new ConcurrentDictionary<string, TaskCompletionSource<string>>();
    string replies = (await channel.QueueDeclareAsync()).QueueName;
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += (_, reply) =>
    {
        if (waiting.TryRemove(reply.BasicProperties.CorrelationId ?? "", out TaskCompletionSource<string>? request))
        {
            request.SetResult(Encoding.UTF8.GetString(reply.Body.Span));
        }

        return Task.CompletedTask;
    };
    await channel.BasicConsumeAsync(replies, autoAck: true, consumer);

    string correlationId = Guid.NewGuid().ToString();
    TaskCompletionSource<string> answer = waiting[correlationId] = new TaskCompletionSource<string>();
    Console.WriteLine($" [x] Requesting fib({n})");
    await channel.BasicPublishAsync("", Queue, mandatory: true, new BasicProperties { CorrelationId = correlationId, ReplyTo = replies }, Encoding.UTF8.GetBytes(n.ToString()));
    Console.WriteLine($" [.] Got '{await answer.Task.WaitAsync(TimeSpan.FromSeconds(10))}'");
}

static int Fibonacci(int n) => n < 2 ? n : Fibonacci(n - 1) + Fibonacci(n - 2);
