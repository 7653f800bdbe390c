// Work queues: tasks shared among workers, each acknowledged when it is done. A dot in a task is 100 ms of work.
//   dotnet run                  two workers do ten tasks; one worker breaks off in the middle and its task is not lost
//   dotnet run task TEXT…       adds a task
//   dotnet run worker           works until Enter is pressed
const string Queue = "task_queue";
var factory = new ConnectionFactory { Uri = new Uri(Environment.GetEnvironmentVariable("AMQP_URL") ?? "amqp://guest:guest@localhost:5672/") };
await using IConnection connection = await factory.CreateConnectionAsync();
await using IChannel channel = await connection.CreateChannelAsync();
await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false);

switch (args)
{
    case ["task", .. var words]:
        await AddTaskAsync(string.Join(' ', words));
        break;
    case ["worker"]:
        await StartWorkerAsync("worker", channel, _ => Task.CompletedTask);
        Console.WriteLine(" [*] Waiting for tasks. Press Enter to end.");
        Console.ReadLine();
        break;
    default:
        await RunBothAsync();
        break;
}

async Task AddTaskAsync(string task)
{
    await channel.BasicPublishAsync("", Queue, mandatory: true, new BasicProperties { Persistent = true }, Encoding.UTF8.GetBytes(task));
    Console.WriteLine($" [x] Sent '{task}'");
}

static async Task StartWorkerAsync(string name, IChannel channel, Func<string, Task> finished)
{
    // One unacknowledged task at a time: a busy worker is passed over.
    await channel.BasicQosAsync(prefetchSize: 0, prefetchCount: 1, global: false);
    var consumer = new AsyncEventingBasicConsumer(channel);
    consumer.ReceivedAsync += async (_, delivery) =>
    {
        string task = Encoding.UTF8.GetString(delivery.Body.Span);
        Console.WriteLine($" [{name}] Received '{task}'{(delivery.Redelivered ? " (again)" : "")}");
        await Task.Delay(100 * task.Count(c => c == '.'));
        if (channel.IsClosed)
        {
            return;
        }

        await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
        Console.WriteLine($" [{name}] Done '{task}'");
        await finished(task);
    };
    await channel.BasicConsumeAsync(Queue, autoAck: false, consumer);
}

async Task RunBothAsync()
{
    const int Tasks = 10;
    var done = new HashSet<string>();
    var all = new TaskCompletionSource();
    Task Finished(string task)
    {
        lock (done)
        {
            done.Add(task);
            if (done.Count == Tasks)
            {
                all.TrySetResult();
            }
        }

        return Task.CompletedTask;
    }

    for (int i = 1; i <= Tasks; i++)
    {
        await AddTaskAsync($"task {i} ..");
    }

    IChannel steady = await connection.CreateChannelAsync();
    IChannel leaving = await connection.CreateChannelAsync();
    await StartWorkerAsync("worker 1", steady, Finished);
    await StartWorkerAsync("worker 2", leaving, Finished);
    await Task.Delay(300);
    await leaving.CloseAsync();
    Console.WriteLine(" [worker 2] has gone, its task returns to the queue");
    await all.Task.WaitAsync(TimeSpan.FromSeconds(30));
    Console.WriteLine($" [x] All {Tasks} tasks are done");
    await channel.QueueDeleteAsync(Queue);
}
