using Sluice.LoadGenerator.Client;
using Sluice.LoadGenerator.Workers;

namespace Sluice.LoadGenerator;

/// <summary>
/// Runs a load against an AMQP 0-9-1 broker: a thread and a connection for each producer and consumer, and this thread to keep time.
/// Every run ends by waiting for what is outstanding and comparing counts.
/// </summary>
public static class AmqpLoad
{
    /// <summary>Runs the load.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="progress">Called about once a second with totals; null for none.</param>
    /// <param name="cancel">Ends the run early; what was measured so far is returned.</param>
    /// <exception cref="AmqpClosedException">The server closed a channel or connection.</exception>
    /// <exception cref="AmqpUnreachableException">The broker is not there, went away or stopped answering.</exception>
    /// <exception cref="ArgumentException">The options make no sense.</exception>
    public static AmqpLoadResult Run(AmqpLoadOptions options, Action<AmqpLoadProgress>? progress = null, CancellationToken cancel = default)
    {
        options.Validate();
        using AmqpClient control = AmqpClient.Connect(options.Server with { ReceiveBufferBytes = 4096 });
        Declare(control, options);
        LoadRun run = new();
        List<Producer> producers = [];
        List<Consumer> consumers = [];
        try
        {
            for (int i = 0; i < options.Consumers; i++)
            {
                consumers.Add(new Consumer(options, run, AmqpClient.Connect(options.Server), i));
            }

            for (int i = 0; i < options.Producers; i++)
            {
                long count = options.MessageCount == 0 ? long.MaxValue : (options.MessageCount / options.Producers) + (i < options.MessageCount % options.Producers ? 1 : 0);
                producers.Add(new Producer(options, run, AmqpClient.Connect(options.Server), i, count));
            }

            AmqpLoadResult result = new Conductor(options, run, producers, consumers, progress, cancel).Conduct();
            if (options is { KeepQueues: false, Producers: > 0, Consumers: > 0 })
            {
                Delete(control, options);
            }

            return result;
        }
        finally
        {
            producers.ForEach(producer => producer.Dispose());
            consumers.ForEach(consumer => consumer.Dispose());
        }
    }

    /// <summary>Declares the queues (and exchange and bindings) of a load.</summary>
    public static void Declare(AmqpClient client, AmqpLoadOptions options)
    {
        if (options.Exchange.Length > 0)
        {
            client.DeclareExchange(options.Exchange, options.ExchangeType, options.Durable, options.ExchangeArguments);
        }

        for (int i = 0; i < options.Queues; i++)
        {
            string queue = options.NameOfQueue(i);
            client.DeclareQueue(queue, options.Durable, arguments: options.QueueArguments);
            if (options.Exchange.Length > 0)
            {
                client.BindQueue(queue, options.Exchange, queue);
            }
        }
    }

    /// <summary>Deletes the queues (and exchange) of a load.</summary>
    public static void Delete(AmqpClient client, AmqpLoadOptions options)
    {
        for (int i = 0; i < options.Queues; i++)
        {
            client.DeleteQueue(options.NameOfQueue(i));
        }

        if (options.Exchange.Length > 0)
        {
            client.DeleteExchange(options.Exchange);
        }
    }
}

/// <summary>How far a run has come.</summary>
/// <param name="Seconds">Since its start.</param>
/// <param name="Published">Messages published so far.</param>
/// <param name="Consumed">Messages consumed so far.</param>
/// <param name="PublishedPerSecond">In the last second or so.</param>
/// <param name="ConsumedPerSecond">In the last second or so.</param>
public sealed record AmqpLoadProgress(double Seconds, long Published, long Consumed, double PublishedPerSecond, double ConsumedPerSecond);
