// Asynchronous processing: a registration answers after its database write; the mail and the SMS follow from queues.
// The same registrations are handled serially, in parallel and through queues, and the response times are compared.
using System.Collections.Concurrent;
using System.Diagnostics;

const int Registrations = 20;
TimeSpan databaseWrite = TimeSpan.FromMilliseconds(50);
TimeSpan mailGateway = TimeSpan.FromMilliseconds(100);
TimeSpan smsGateway = TimeSpan.FromMilliseconds(80);

var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();

// The web server's side: one channel with confirms, so that "registered" is said only when the broker has the event.
await using IChannel publisher = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
await publisher.ExchangeDeclareAsync("registrations", ExchangeType.Fanout, durable: true);
var mailed = new ConcurrentDictionary<string, int>();
var texted = new ConcurrentDictionary<string, int>();
await StartWorkerAsync("registrations.mail", mailGateway, mailed);
await StartWorkerAsync("registrations.sms", smsGateway, texted);

Console.WriteLine($"{Registrations} registrations, each: database {databaseWrite.TotalMilliseconds} ms, mail {mailGateway.TotalMilliseconds} ms, SMS {smsGateway.TotalMilliseconds} ms");
double serial = await MeasureAsync("serial", async _ =>
{
    await Task.Delay(databaseWrite);
    await Task.Delay(mailGateway);
    await Task.Delay(smsGateway);
});
double parallel = await MeasureAsync("parallel", async _ =>
{
    await Task.Delay(databaseWrite);
    await Task.WhenAll(Task.Delay(mailGateway), Task.Delay(smsGateway));
});
double queued = await MeasureAsync("queued", async user =>
{
    await Task.Delay(databaseWrite);
    await publisher.BasicPublishAsync("registrations", "", mandatory: true, new BasicProperties { Persistent = true, MessageId = user }, Encoding.UTF8.GetBytes(user));
});
Console.WriteLine($"queued answers {serial / queued:F1} times as fast as serial and {parallel / queued:F1} times as fast as parallel");

long deadline = Environment.TickCount64 + 30_000;
while ((mailed.Count < Registrations || texted.Count < Registrations) && Environment.TickCount64 < deadline)
{
    await Task.Delay(50);
}

Console.WriteLine($"mails sent: {mailed.Count} of {Registrations}, SMS sent: {texted.Count} of {Registrations}, twice: {mailed.Values.Concat(texted.Values).Count(times => times > 1)}");
await publisher.QueueDeleteAsync("registrations.mail");
await publisher.QueueDeleteAsync("registrations.sms");
await publisher.ExchangeDeleteAsync("registrations");

async Task StartWorkerAsync(string queue, TimeSpan work, ConcurrentDictionary<string, int> done)
{
    IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false, consumerDispatchConcurrency: 4));
    await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
    await channel.QueueBindAsync(queue, "registrations", "");
    await channel.BasicQosAsync(0, prefetchCount: 4, global: false);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += async (_, delivery) =>
    {
        string user = Encoding.UTF8.GetString(delivery.Body.Span);
        await Task.Delay(work);
        done.AddOrUpdate(user, 1, (_, times) => times + 1);
        await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
    };
    await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
}

static async Task<double> MeasureAsync(string how, Func<string, Task> register)
{
    var times = new double[Registrations];
    for (int i = 0; i < Registrations; i++)
    {
        var clock = Stopwatch.StartNew();
        await register($"user-{i}");
        times[i] = clock.Elapsed.TotalMilliseconds;
    }

    Array.Sort(times);
    double median = times[Registrations / 2];
    Console.WriteLine($"{how,-9} response time: median {median,6:F1} ms, slowest {times[^1],6:F1} ms");
    return median;
}
