// Event stream processing, exactly once: payments are consumed, small ones are left out, the rest are turned into alerts of another
// form and produced, in transactions that also hold how far the processor has read. The processor is thrown away in the middle of a
// transaction again and again; its successor goes on where the last committed one ended. In the end every large payment has one alert.
using System.Globalization;
using Sluice.Client;
using Sluice.Client.Consuming;
using Sluice.Client.Producing;

const int Payments = 5_000;
const int Large = 900;
const int PerTransaction = 100;

// A new member of a group gets nothing before the group has its partitions distributed, which takes seconds: no record for a while is not the end. How many there are is.
TimeSpan patience = TimeSpan.FromMinutes(1);
string servers = Environment.GetEnvironmentVariable("KAFKA_BOOTSTRAP") ?? "localhost:9092";
string run = Guid.NewGuid().ToString("N")[..8];
string payments = $"payments-{run}", alerts = $"alerts-{run}", group = $"fraud-{run}";

var amounts = new Random(1);
int expected = 0;
await using (var source = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = servers }))
{
    for (int i = 0; i < Payments; i++)
    {
        int amount = amounts.Next(1000);
        expected += amount >= Large ? 1 : 0;
        await source.EnqueueAsync(new(payments, $"account-{i % 50}", $"{i};{amount}"));
    }

    await source.FlushAsync();
}

Console.WriteLine($"{Payments} payments, {expected} of them of {Large} or more");

int processors = 0, thrownAway = 0;
bool isDone = false;
while (!isDone)
{
    processors++;
    isDone = await ProcessAsync(crashesAfter: processors < 6 ? amounts.Next(1, 12) : int.MaxValue);
}

var seen = new Dictionary<string, int>();
await using (var reader = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = servers, AutoOffsetReset = AutoOffsetReset.Earliest }))
{
    reader.Assign(await reader.PartitionsAsync(alerts));

    // When all are there, a second says whether there are more than that.
    while (await reader.ConsumeAsync(seen.Count < expected ? patience : TimeSpan.FromSeconds(1)) is { } alert)
    {
        seen[alert.Value!] = seen.GetValueOrDefault(alert.Value!) + 1;
    }
}

Console.WriteLine($"{processors} processors, {thrownAway} of them thrown away within a transaction");
Console.WriteLine($"alerts: {seen.Count} of {expected}, twice: {seen.Values.Count(static count => count > 1)}");

// Returns whether all payments are done with; false when the processor was thrown away.
async Task<bool> ProcessAsync(int crashesAfter)
{
    // The same transactional id: whoever had it before is shut out, and what it left open is rolled back.
    await using var producer = new KafkaProducer<string?, string?>(new ProducerOptions { BootstrapServers = servers, TransactionalId = $"fraud-processor-{run}" });
    await producer.InitTransactionsAsync();
    await using var consumer = new KafkaConsumer<string?, string?>(new ConsumerOptions { BootstrapServers = servers, GroupId = group, EnableAutoCommit = false, AutoOffsetReset = AutoOffsetReset.Earliest });
    consumer.Subscribe(payments);
    long done = (await consumer.CommittedAsync(await consumer.PartitionsAsync(payments))).Values.Sum();
    for (int transaction = 1; done < Payments; transaction++)
    {
        producer.BeginTransaction();
        var next = new Dictionary<TopicPartition, TopicPartitionOffset>();
        for (int i = 0; i < PerTransaction && done < Payments; i++, done++)
        {
            ConsumedRecord<string?, string?> payment = await consumer.ConsumeAsync(patience) ?? throw new TimeoutException($"No payment came for {patience}; {done} of {Payments} are done.");
            string[] parts = payment.Value!.Split(';');
            if (int.Parse(parts[1], CultureInfo.InvariantCulture) >= Large)
            {
                await producer.EnqueueAsync(new(alerts, payment.Key, $$"""{"payment":{{parts[0]}},"account":"{{payment.Key}}","amount":{{parts[1]}}}"""));
            }

            next[payment.Next.Partition] = payment.Next;
        }

        await producer.SendOffsetsToTransactionAsync(next.Values, consumer.GroupIdentity);
        if (transaction == crashesAfter)
        {
            // What a crash would leave: alerts sent, offsets sent, and no commit.
            thrownAway++;
            return false;
        }

        await producer.CommitTransactionAsync();
    }

    return true;
}
