using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator;

/// <summary>Declares and deletes many queues, pipelined, to see what they cost the broker.</summary>
public static class ManyQueues
{
    /// <summary>Declarations sent before their answers are awaited.</summary>
    private const int Pipeline = 500;

    /// <summary>Declares queues <c>prefix-0</c> to <c>prefix-(count-1)</c>.</summary>
    public static void Declare(AmqpClient client, string prefix, int count, bool durable, IReadOnlyDictionary<string, object?>? arguments = null, CancellationToken cancel = default) =>
        InPipeline(client, count, AmqpMethods.QueueDeclareOk, i =>
            AmqpTopology.WriteDeclareQueue(client.Writer, $"{prefix}-{i}", durable, autoDelete: false, exclusive: false, passive: false, arguments), cancel);

    public static void Delete(AmqpClient client, string prefix, int count, CancellationToken cancel = default) =>
        InPipeline(client, count, AmqpMethods.QueueDeleteOk, i => AmqpTopology.WriteDeleteQueue(client.Writer, $"{prefix}-{i}"), cancel);

    private static void InPipeline(AmqpClient client, int count, uint answer, Action<int> write, CancellationToken cancel)
    {
        for (int done = 0; done < count && !cancel.IsCancellationRequested;)
        {
            int batch = Math.Min(Pipeline, count - done);
            for (int i = 0; i < batch; i++)
            {
                write(done + i);
            }

            client.Send();
            for (int i = 0; i < batch; i++)
            {
                client.Expect(answer);
            }

            done += batch;
        }
    }
}
