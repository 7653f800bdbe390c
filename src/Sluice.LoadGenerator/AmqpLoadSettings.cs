using System.Globalization;

namespace Sluice.LoadGenerator;

/// <summary>A setting of a load run as it is named on a command line.</summary>
/// <param name="Name">Without the leading dashes.</param>
/// <param name="Value">What its value is called in help; null for a switch.</param>
/// <param name="Description">One line of help.</param>
/// <param name="Apply">Returns the options with the setting; throws <see cref="FormatException"/> on a value it cannot read.</param>
public sealed record AmqpLoadSetting(string Name, string? Value, string Description, Func<AmqpLoadOptions, string, AmqpLoadOptions> Apply);

/// <summary>All settings of a load run, for command lines.</summary>
public static class AmqpLoadSettings
{
    public static IReadOnlyList<AmqpLoadSetting> All { get; } =
    [
        new("host", "name", "Broker's host (127.0.0.1).", (o, v) => o with { Server = o.Server with { Host = v } }),
        new("port", "n", "Broker's AMQP port (5672).", (o, v) => o with { Server = o.Server with { Port = Int(v) } }),
        new("user", "name", "User (guest).", (o, v) => o with { Server = o.Server with { User = v } }),
        new("password", "text", "Password (guest).", (o, v) => o with { Server = o.Server with { Password = v } }),
        new("vhost", "name", "Virtual host (/).", (o, v) => o with { Server = o.Server with { VirtualHost = v } }),
        new("producers", "n", "Publishing connections (1); 0 only drains.", (o, v) => o with { Producers = Int(v) }),
        new("consumers", "n", "Consuming connections (1); 0 only fills.", (o, v) => o with { Consumers = Int(v) }),
        new("queues", "n", "Queues (1).", (o, v) => o with { Queues = Int(v) }),
        new("queue", "name", "Name of the queue, or start of their names.", (o, v) => o with { QueueName = v }),
        new("queue-arg", "key=value", "Argument of the queues, such as x-queue-type=quorum; repeatable.", (o, v) => o with { QueueArguments = With(o.QueueArguments, v) }),
        new("durable", null, "Durable queues.", (o, _) => o with { Durable = true }),
        new("keep", null, "Leave the queues and what is in them.", (o, _) => o with { KeepQueues = true }),
        new("exchange", "name", "Exchange to declare, bind and publish to (default exchange).", (o, v) => o with { Exchange = v }),
        new("exchange-type", "type", "direct, topic or fanout (direct).", (o, v) => o with { ExchangeType = v }),
        new("exchange-arg", "key=value", "Argument of the exchange; repeatable.", (o, v) => o with { ExchangeArguments = With(o.ExchangeArguments, v) }),
        new("size", "bytes", "Body size (16); from 8 on latency is measured.", (o, v) => o with { BodyBytes = Int(v) }),
        new("persistent", null, "Delivery mode 2.", (o, _) => o with { Persistent = true }),
        new("confirms", "window", "Publisher confirms with at most this many outstanding per producer.", (o, v) => o with { ConfirmWindow = Int(v) }),
        new("rate", "msg/s", "Messages per second of all producers (as fast as it goes).", (o, v) => o with { Rate = Int(v) }),
        new("prefetch", "n", "Unacknowledged deliveries per consumer (no limit).", (o, v) => o with { Prefetch = checked((ushort)Int(v)) }),
        new("ack-every", "n", "Acknowledge this many at a time (1).", (o, v) => o with { AcknowledgeEvery = Int(v) }),
        new("auto-ack", null, "Consume without acknowledgements.", (o, _) => o with { AutoAcknowledge = true }),
        new("seconds", "s", "Measured time (10).", (o, v) => o with { Seconds = Double(v) }),
        new("warm-up", "s", "Time before it that does not count (0).", (o, v) => o with { WarmUpSeconds = Double(v) }),
        new("count", "n", "Run until this many messages have passed, instead of by time.", (o, v) => o with { MessageCount = Long(v) }),
        new("idle", "s", "Give up on outstanding messages after this long without any (20).", (o, v) => o with { IdleSeconds = Double(v) }),
        new("send-bytes", "bytes", "Largest single send (65536); 1 sends each message by itself.", (o, v) => o with { SendBytes = Int(v) }),
        new("broker-pid", "pid", "Measure CPU and memory of this process and its children.", (o, v) => o with { BrokerProcessId = Int(v) }),
    ];

    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static long Long(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static double Double(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static Dictionary<string, object?> With(IReadOnlyDictionary<string, object?> arguments, string pair)
    {
        int equals = pair.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
        {
            throw new FormatException($"'{pair}' is not of the form key=value.");
        }

        string value = pair[(equals + 1)..];
        return new Dictionary<string, object?>(arguments)
        {
            [pair[..equals]] = bool.TryParse(value, out bool flag) ? flag
                : long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
                : value,
        };
    }
}
