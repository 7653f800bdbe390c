// Request and reply: correlation ids, direct reply-to (replies without a queue), a time-out, and the immediate answer when nobody serves.
using System.Collections.Concurrent;
using System.Diagnostics;

const string Queue = "square";
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel server = await StartServerAsync(connection);
await using RpcClient client = await RpcClient.StartAsync(connection);

var clock = Stopwatch.StartNew();
string[] answers = await Task.WhenAll(Enumerable.Range(1, 20).Select(n => client.CallAsync(Queue, n.ToString(), TimeSpan.FromSeconds(10))));
Console.WriteLine($"20 requests at once, answered by correlation id in {clock.ElapsedMilliseconds} ms: {string.Join(' ', answers)}");

clock.Restart();
const int Calls = 200;
for (int i = 0; i < Calls; i++)
{
    await client.CallAsync(Queue, "7", TimeSpan.FromSeconds(10));
}

Console.WriteLine($"{Calls} calls one after another: {clock.Elapsed.TotalMilliseconds / Calls:F2} ms each");

try
{
    await client.CallAsync(Queue, "slow", TimeSpan.FromMilliseconds(300));
    Console.WriteLine("the slow request was answered: that is not right");
}
catch (TimeoutException)
{
    Console.WriteLine("the slow request timed out after 300 ms");
}

Console.WriteLine($"after it the next call is still answered rightly: {await client.CallAsync(Queue, "12", TimeSpan.FromSeconds(10))}");
await client.LateReplyAsync();
Console.WriteLine("the late reply was recognised by its correlation id and dropped");

try
{
    await client.CallAsync("nobody-serves-this", "1", TimeSpan.FromSeconds(10));
    Console.WriteLine("a request to nobody was answered: that is not right");
}
catch (InvalidOperationException e)
{
    Console.WriteLine($"a request that nobody serves fails at once: {e.Message}");
}

await server.QueueDeleteAsync(Queue);

static async Task<IChannel> StartServerAsync(IConnection connection)
{
    IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false, consumerDispatchConcurrency: 8));
    await channel.QueueDeclareAsync(Queue, durable: false, exclusive: false, autoDelete: false);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += async (_, request) =>
    {
        string text = Encoding.UTF8.GetString(request.Body.Span);
        string? replyTo = request.BasicProperties.ReplyTo;
        string? correlationId = request.BasicProperties.CorrelationId;
        if (text == "slow")
        {
            await Task.Delay(1000);
        }

        string answer = int.TryParse(text, out int number) ? (number * number).ToString() : "too late";
        await channel.BasicPublishAsync("", replyTo!, mandatory: false, new BasicProperties { CorrelationId = correlationId }, Encoding.UTF8.GetBytes(answer));
    };
    await channel.BasicConsumeAsync(Queue, autoAck: true, consumer);
    return channel;
}

/// <summary>Calls with time-outs over one channel; replies come by direct reply-to, so no reply queue exists.</summary>
internal sealed class RpcClient : IAsyncDisposable
{
    private const string DirectReplyTo = "amq.rabbitmq.reply-to";
    private readonly ConcurrentDictionary<string, TaskCompletionSource<string>> _waiting = new();
    private readonly TaskCompletionSource _lateReply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IChannel _channel;

    private RpcClient(IChannel channel) => _channel = channel;

    public static async Task<RpcClient> StartAsync(IConnection connection)
    {
        IChannel channel = await connection.CreateChannelAsync();
        var client = new RpcClient(channel);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += client.OnReplyAsync;
        channel.BasicReturnAsync += client.OnReturnAsync;
        await channel.BasicConsumeAsync(DirectReplyTo, autoAck: true, consumer);
        return client;
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <exception cref="TimeoutException">No reply came in time.</exception>
    /// <exception cref="InvalidOperationException">No queue has that name.</exception>
    public async Task<string> CallAsync(string queue, string request, TimeSpan timeout)
    {
        string correlationId = Guid.NewGuid().ToString();
        var reply = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[correlationId] = reply;
        try
        {
            var properties = new BasicProperties { CorrelationId = correlationId, ReplyTo = DirectReplyTo, Expiration = ((int)timeout.TotalMilliseconds).ToString() };
            await _channel.BasicPublishAsync("", queue, mandatory: true, properties, Encoding.UTF8.GetBytes(request));
            return await reply.Task.WaitAsync(timeout);
        }
        finally
        {
            _waiting.TryRemove(correlationId, out _);
        }
    }

    /// <summary>Completes when a reply has come for which nobody waits any more.</summary>
    public Task LateReplyAsync() => _lateReply.Task.WaitAsync(TimeSpan.FromSeconds(10));

    public ValueTask DisposeAsync() => _channel.DisposeAsync();

    private Task OnReplyAsync(object sender, BasicDeliverEventArgs reply)
    {
        if (_waiting.TryRemove(reply.BasicProperties.CorrelationId ?? "", out TaskCompletionSource<string>? waiting))
        {
            waiting.SetResult(Encoding.UTF8.GetString(reply.Body.Span));
        }
        else
        {
            _lateReply.TrySetResult();
        }

        return Task.CompletedTask;
    }

    private Task OnReturnAsync(object sender, BasicReturnEventArgs returned)
    {
        if (_waiting.TryRemove(returned.BasicProperties.CorrelationId ?? "", out TaskCompletionSource<string>? waiting))
        {
            waiting.SetException(new InvalidOperationException($"no queue '{returned.RoutingKey}' ({returned.ReplyCode} {returned.ReplyText})"));
        }

        return Task.CompletedTask;
    }
}
