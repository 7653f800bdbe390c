// Decoupling: the order service accepts orders whether the inventory service runs or not, and a new subscriber joins
// without a change to the producer. The inventory service is a process of its own, so that it can really be down.
//   dotnet run              the whole story
//   dotnet run inventory    the inventory service alone
//   dotnet run shipping     the service that joins later
using System.Diagnostics;

const string Exchange = "orders";
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
await channel.ExchangeDeclareAsync(Exchange, ExchangeType.Fanout, durable: true);

if (args is [var service])
{
    await ServeAsync(service);
    return;
}

// The inventory's queue exists from the first deployment on; what comes while nobody reads it waits there.
await DeclareQueueAsync("inventory");
Dictionary<string, HashSet<string>> handled = new() { ["inventory"] = [], ["shipping"] = [] };

Service inventory = StartService("inventory");
await AcceptOrdersAsync(1, 20);
await UntilAsync(() => Count("inventory") == 20);
Console.WriteLine($"orders 1–20 accepted; inventory has handled {Count("inventory")}");

inventory.Process.Kill();
await inventory.Process.WaitForExitAsync();
await AcceptOrdersAsync(21, 60);
Console.WriteLine($"inventory is down; orders 21–60 accepted all the same; inventory has handled {Count("inventory")}, {await channel.MessageCountAsync("orders.inventory")} wait");

inventory = StartService("inventory");
await UntilAsync(() => Count("inventory") == 60);
Console.WriteLine($"inventory is back and has handled {Count("inventory")} of 60");

Service shipping = StartService("shipping");
await shipping.Ready.Task.WaitAsync(TimeSpan.FromSeconds(30));
await AcceptOrdersAsync(61, 80);
await UntilAsync(() => Count("inventory") == 80 && Count("shipping") == 20);
Console.WriteLine($"shipping has joined; of orders 61–80 inventory and shipping have handled all: {Count("inventory")} in all and {Count("shipping")}");
Console.WriteLine("no order was lost");

inventory.Process.Kill();
shipping.Process.Kill();
await inventory.Process.WaitForExitAsync();
await shipping.Process.WaitForExitAsync();
await channel.QueueDeleteAsync("orders.inventory");
await channel.QueueDeleteAsync("orders.shipping");
await channel.ExchangeDeleteAsync(Exchange);

async Task AcceptOrdersAsync(int first, int last)
{
    for (int order = first; order <= last; order++)
    {
        await channel.BasicPublishAsync(Exchange, "", mandatory: false, new BasicProperties { Persistent = true, MessageId = $"order-{order}" }, Encoding.UTF8.GetBytes($"order-{order}"));
    }
}

async Task DeclareQueueAsync(string name)
{
    await channel.QueueDeclareAsync($"orders.{name}", durable: true, exclusive: false, autoDelete: false);
    await channel.QueueBindAsync($"orders.{name}", Exchange, "");
}

async Task ServeAsync(string name)
{
    await DeclareQueueAsync(name);
    await channel.BasicQosAsync(0, prefetchCount: 5, global: false);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += async (_, delivery) =>
    {
        Console.WriteLine(Encoding.UTF8.GetString(delivery.Body.Span));
        await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
    };
    await channel.BasicConsumeAsync($"orders.{name}", autoAck: false, consumer);
    Console.WriteLine("ready");
    await Task.Delay(Timeout.Infinite);
}

// A service prints the orders that it handles. One that was killed between its work and its acknowledgement sees the order
// again: the set takes it once, as a real service would by the order's id.
Service StartService(string name)
{
    string self = Environment.ProcessPath!;
    string[] arguments = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [Environment.GetCommandLineArgs()[0], name] : [name];
    Process process = Process.Start(new ProcessStartInfo(self, arguments) { RedirectStandardOutput = true })!;
    var ready = new TaskCompletionSource();
    process.OutputDataReceived += (_, line) =>
    {
        if (line.Data == "ready")
        {
            ready.TrySetResult();
        }
        else if (line.Data is { } order)
        {
            lock (handled)
            {
                handled[name].Add(order);
            }
        }
    };
    process.BeginOutputReadLine();
    return new Service(process, ready);
}

int Count(string name)
{
    lock (handled)
    {
        return handled[name].Count;
    }
}

static async Task UntilAsync(Func<bool> condition)
{
    for (long deadline = Environment.TickCount64 + 30_000; !condition(); await Task.Delay(20))
    {
        if (Environment.TickCount64 > deadline)
        {
            throw new TimeoutException("the services did not handle the orders in time");
        }
    }
}

internal sealed record Service(Process Process, TaskCompletionSource Ready);
