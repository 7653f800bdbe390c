using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator;

/// <summary>One load run. Defaults: one producer, one consumer, one transient queue, 16-byte messages, as fast as it goes for ten seconds.</summary>
public sealed record AmqpLoadOptions
{
    public AmqpClientOptions Server { get; init; } = new() { ConnectionName = "sluice load" };

    /// <summary>Publishing connections; 0 only consumes (drains).</summary>
    public int Producers { get; init; } = 1;

    /// <summary>Consuming connections; 0 only publishes (fills a backlog).</summary>
    public int Consumers { get; init; } = 1;

    /// <summary>Queues; producers and consumers are dealt to them in turn.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Name of the queue; with several, the start of their names.</summary>
    public string QueueName { get; init; } = "sluice-load";

    /// <summary>Whether queues (and the exchange) are declared durable.</summary>
    public bool Durable { get; init; }

    public IReadOnlyDictionary<string, object?> QueueArguments { get; init; } = new Dictionary<string, object?>();

    /// <summary>Whether the queues stay when the run is over. Fill-only and drain-only runs always keep them.</summary>
    public bool KeepQueues { get; init; }

    /// <summary>Exchange to declare, bind and publish to; empty: the default exchange.</summary>
    public string Exchange { get; init; } = "";

    /// <summary>direct, topic: one queue per message by its name as key; fanout: every queue.</summary>
    public string ExchangeType { get; init; } = "direct";

    public IReadOnlyDictionary<string, object?> ExchangeArguments { get; init; } = new Dictionary<string, object?>();

    /// <summary>Body octets. From 8 on, the first 8 carry the send time and latency is measured.</summary>
    public int BodyBytes { get; init; } = 16;

    /// <summary>Delivery mode 2.</summary>
    public bool Persistent { get; init; }

    /// <summary>Most unconfirmed messages per producer; 0: no publisher confirms.</summary>
    public int ConfirmWindow { get; init; }

    /// <summary>Messages per second of all producers together; 0: as fast as it goes.</summary>
    public int Rate { get; init; }

    /// <summary>Unacknowledged deliveries per consumer; 0: no limit. Ignored with automatic acknowledgement.</summary>
    public ushort Prefetch { get; init; }

    /// <summary>Acknowledge this many deliveries at a time (multiple).</summary>
    public int AcknowledgeEvery { get; init; } = 1;

    /// <summary>Consume with no-ack.</summary>
    public bool AutoAcknowledge { get; init; }

    /// <summary>Measured time in seconds, after the warm-up; ignored when <see cref="MessageCount"/> is set.</summary>
    public double Seconds { get; init; } = 10;

    /// <summary>Time in seconds before the measured time, not counted.</summary>
    public double WarmUpSeconds { get; init; }

    /// <summary>Total messages to publish (and consume); 0: run by time. A drain of this many ends when they are consumed.</summary>
    public long MessageCount { get; init; }

    /// <summary>Give up waiting for outstanding messages after this long without any, in seconds.</summary>
    public double IdleSeconds { get; init; } = 20;

    /// <summary>Largest single send, in octets; at least one message is sent at a time. Many client libraries send each message by itself, which 1 imitates.</summary>
    public int SendBytes { get; init; } = 64 * 1024;

    /// <summary>Process whose tree's CPU time and memory are measured as the broker's; 0: not measured.</summary>
    public int BrokerProcessId { get; init; }

    /// <summary>Name of queue number <paramref name="index"/>.</summary>
    public string NameOfQueue(int index) => Queues == 1 ? QueueName : $"{QueueName}-{index}";

    /// <summary>Refuses what makes no sense, with a sentence that says why.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public void Validate()
    {
        Require(Producers >= 0 && Consumers >= 0 && Producers + Consumers > 0, "at least one producer or consumer is needed");
        Require(Queues >= 1, "at least one queue is needed");
        Require(Producers == 0 || Consumers == 0 || Consumers >= Queues, $"{Queues} queues need at least {Queues} consumers, or the rest would never be drained");
        Require(BodyBytes is >= 0 and <= 128 << 20, "a body has 0 to 134217728 bytes");
        Require(ConfirmWindow is >= 0 and <= 1_000_000, "the confirm window is 0 to 1000000");
        Require(AcknowledgeEvery >= 1, "acknowledge-every is at least 1");
        Require(AutoAcknowledge || Prefetch == 0 || AcknowledgeEvery <= Prefetch, $"acknowledging every {AcknowledgeEvery} with a prefetch of {Prefetch} would wait for ever");
        Require(Rate >= 0 && MessageCount >= 0, "rate and count are not negative");
        Require(MessageCount > 0 || Seconds > 0, "a run needs a duration or a message count");
        Require(MessageCount == 0 || WarmUpSeconds == 0, "a run by message count has no warm-up");
        Require(SendBytes is >= 1 and <= 16 << 20, "a send is 1 to 16777216 bytes");
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new ArgumentException($"Invalid load: {otherwise}.");
        }
    }
}
