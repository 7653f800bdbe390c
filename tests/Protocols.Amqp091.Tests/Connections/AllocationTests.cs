using System.Buffers.Binary;
using System.Net.Sockets;
using Sluice.Base.Disk;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;

namespace Sluice.Protocols.Amqp091.Tests.Connections;

/// <summary>What runs at the same time would be counted too.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public sealed class Alone;

/// <summary>The budget: publish, route, append, deliver, acknowledge and confirm allocate nothing per message in the steady state.</summary>
[Collection("alone")]
public sealed class AllocationTests
{
    private const int Batch = 500;
    private const int WarmUpBatches = 200;
    private const int Windows = 4;
    private const int BatchesPerWindow = 100;

    /// <summary>The smallest object has 24 bytes. What remains below is per turn, per send and per piece of the log.</summary>
    [Theory]
    [InlineData(false, 4)]
    [InlineData(true, 20)]
    public async Task No_allocation_per_message(bool isPersistent, double bytesMax)
    {
        // A real disk: the one in memory allocates what it is written.
        string folder = Directory.CreateTempSubdirectory("sluice-").FullName;
        try
        {
            await using TestServer server = await TestServer.StartAsync(disk: new SystemDisk(folder));
            double perMessage = await MeasureAsync(server, isPersistent);
            Assert.True(perMessage < bytesMax, $"{perMessage:0.0} bytes allocated per message where less than {bytesMax} are allowed");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> MeasureAsync(TestServer server, bool isPersistent)
    {
        using (RawClient setUp = await RawClient.OpenAsync(server))
        {
            await setUp.SendAsync(1, new QueueDeclare { Queue = "q"u8, Durable = true });
            await setUp.ExpectAsync(MethodIds.QueueDeclareOk, 1);
        }

        using RawClient consumer = await RawClient.OpenAsync(server);
        await consumer.SendAsync(1, new BasicQos { PrefetchCount = 2 * Batch });
        await consumer.ExpectAsync(MethodIds.BasicQosOk, 1);
        await consumer.SendAsync(1, new BasicConsume { Queue = "q"u8, ConsumerTag = "c"u8 });
        await consumer.ExpectAsync(MethodIds.BasicConsumeOk, 1);
        using RawClient publisher = await RawClient.OpenAsync(server);
        await publisher.SendAsync(1, new ConfirmSelect());
        await publisher.ExpectAsync(MethodIds.ConfirmSelectOk, 1);

        return await Task.Run(() => Measure(publisher.Socket, consumer.Socket, isPersistent));
    }

    /// <summary>
    /// Sends batches and takes them, all with buffers made before, so that what is allocated is the broker's. The leanest of several windows counts: what happens
    /// beside (the compiler, a slow disk that lets the journal's buffers grow) only adds, while an allocation per message is in every one of them.
    /// </summary>
    private static double Measure(Socket publisher, Socket consumer, bool isPersistent)
    {
        byte[] properties = isPersistent ? [0x10, 0, 2] : [0, 0];
        byte[] batch = [.. Enumerable.Repeat(RawClient.Publish(1, "", "q", new byte[100], properties), Batch).SelectMany(bytes => bytes)];
        byte[] ack = RawClient.Method(1, new BasicAck { Multiple = true });
        int delivery = RawClient.Method(1, new BasicDeliver { ConsumerTag = "c"u8, RoutingKey = "q"u8 }).Length + Frame.Overhead + 12 + properties.Length + Frame.Overhead + 100;
        byte[] inbox = new byte[1 << 20];
        ulong delivered = 0;
        long leanest = long.MaxValue;
        long before = 0;
        for (int i = 0; i <= WarmUpBatches + (Windows * BatchesPerWindow); i++)
        {
            if (i >= WarmUpBatches && (i - WarmUpBatches) % BatchesPerWindow == 0)
            {
                long now = GC.GetTotalAllocatedBytes(precise: true);
                leanest = i == WarmUpBatches ? leanest : Math.Min(leanest, now - before);
                before = now;
            }

            publisher.Send(batch);
            for (int received = 0; received < delivery * Batch;)
            {
                received += consumer.Receive(inbox);
            }

            delivered += Batch;
            BinaryPrimitives.WriteUInt64BigEndian(ack.AsSpan(Frame.HeaderSize + 4), delivered);
            consumer.Send(ack);
            while (publisher.Available > 0)
            {
                publisher.Receive(inbox);
            }
        }

        return leanest / (double)(BatchesPerWindow * Batch);
    }
}
