// Peak shaving: a flash sale. A bounded queue takes as many requests as there is stock; the broker refuses the rest at once,
// and the shop answers those with a redirect. Workers book the accepted ones at their own rate.
using System.Diagnostics;

const string Queue = "flash-sale";
const int Stock = 100;
const int Requests = 2_000;
const int Shoppers = 50;
TimeSpan booking = TimeSpan.FromMilliseconds(10);

var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel setup = await connection.CreateChannelAsync();
await setup.QueueDeleteAsync(Queue);
await setup.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>
{
    ["x-max-length"] = Stock,
    ["x-overflow"] = "reject-publish",
});

var accepted = new List<double>();
var refused = new List<double>();
int next = 0;
var rush = Stopwatch.StartNew();
await Task.WhenAll(Enumerable.Range(0, Shoppers).Select(_ => ShopAsync()));
rush.Stop();
uint waiting = await setup.MessageCountAsync(Queue);
Console.WriteLine($"{Requests} requests in {rush.ElapsedMilliseconds} ms ({Requests / rush.Elapsed.TotalSeconds:F0} a second): {accepted.Count} accepted, {refused.Count} redirected to /sold-out");
Console.WriteLine($"answer to the accepted: median {Median(accepted):F1} ms; to the refused: median {Median(refused):F1} ms");
Console.WriteLine($"waiting in the queue: {waiting}, never more than {Stock}");

// The peak is over in a moment; two workers need their own time for it.
var drain = Stopwatch.StartNew();
var booked = new HashSet<string>();
await Task.WhenAll(WorkAsync(), WorkAsync());
Console.WriteLine($"booked by two workers: {booked.Count} in {drain.ElapsedMilliseconds} ms ({booked.Count / drain.Elapsed.TotalSeconds:F0} a second)");
await setup.QueueDeleteAsync(Queue);

async Task ShopAsync()
{
    await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
    for (int request; (request = Interlocked.Increment(ref next)) <= Requests;)
    {
        var clock = Stopwatch.StartNew();
        List<double> answers;
        try
        {
            await channel.BasicPublishAsync("", Queue, mandatory: true, new BasicProperties { Persistent = true }, Encoding.UTF8.GetBytes($"request-{request}"));
            answers = accepted;
        }
        catch (RabbitMQ.Client.Exceptions.PublishException)
        {
            // The broker's nack: the queue is full. The shop answers "303 See Other /sold-out".
            answers = refused;
        }

        lock (answers)
        {
            answers.Add(clock.Elapsed.TotalMilliseconds);
        }
    }
}

async Task WorkAsync()
{
    await using IChannel channel = await connection.CreateChannelAsync();
    while (await channel.BasicGetAsync(Queue, autoAck: false) is { } request)
    {
        await Task.Delay(booking);
        lock (booked)
        {
            booked.Add(Encoding.UTF8.GetString(request.Body.Span));
        }

        await channel.BasicAckAsync(request.DeliveryTag, multiple: false);
    }
}

static double Median(List<double> times) => times.Count == 0 ? 0 : times.Order().ElementAt(times.Count / 2);
