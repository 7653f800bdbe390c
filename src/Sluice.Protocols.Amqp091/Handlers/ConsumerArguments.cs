using System.Globalization;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Arguments of basic.consume. What is not known, or does not fit the queue, is refused (406).</summary>
/// <param name="Priority">x-priority.</param>
/// <param name="Start">x-stream-offset; streams only.</param>
internal readonly record struct ConsumerArguments(int Priority, StreamStart? Start)
{
    public static ConsumerArguments Read(Arguments arguments, MessageQueue queue, Amqp091Connection connection)
    {
        int priority = 0;
        StreamStart? start = queue.Settings.Kind == QueueKind.Stream ? new StreamStart(StreamStartKind.Next) : null;
        foreach ((string name, object? value) in arguments.Items)
        {
            switch (name)
            {
                case "x-priority":
                    priority = value is long and >= int.MinValue and <= int.MaxValue ? (int)(long)value : throw Invalid(name, queue, connection, "expected a 32-bit integer");
                    break;
                case "x-stream-offset" when start is not null:
                    start = ReadStart(value, connection.Server.Clock.GetUtcNow()) ?? throw Invalid(name, queue, connection, "expected first, last, next, an offset, a timestamp, or an interval such as 1h");
                    break;
                case "x-stream-offset":
                    throw Invalid(name, queue, connection, "only streams have offsets");
                case "x-cancel-on-ha-failover" when value is bool:
                    // Consumers are always told when their queue goes; there is no other failover here.
                    break;
                case "x-cancel-on-ha-failover":
                    throw Invalid(name, queue, connection, "expected a boolean");
                default:
                    throw Invalid(name, queue, connection, "not supported for consumers");
            }
        }

        return new ConsumerArguments(priority, start);
    }

    /// <summary>Null if the value is none that x-stream-offset may have.</summary>
    internal static StreamStart? ReadStart(object? value, DateTimeOffset now) => value switch
    {
        "first" => new StreamStart(StreamStartKind.First),
        "last" => new StreamStart(StreamStartKind.Last),
        "next" => new StreamStart(StreamStartKind.Next),
        long and >= 0 => new StreamStart(StreamStartKind.Offset, (long)value),
        DateTimeOffset time => new StreamStart(StreamStartKind.Timestamp, time.ToUnixTimeMilliseconds()),
        string interval when ReadInterval(interval) is { } length => new StreamStart(StreamStartKind.Timestamp, (now - length).ToUnixTimeMilliseconds()),
        _ => null,
    };

    /// <summary>A number and one of RabbitMQ's units: Y, M, D, h, m, s.</summary>
    private static TimeSpan? ReadInterval(string text)
    {
        if (text.Length < 2 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count == 0)
        {
            return null;
        }

        double days = text[^1] switch
        {
            'Y' => 365,
            'M' => 30,
            'D' => 1,
            'h' => 1 / 24.0,
            'm' => 1 / 1440.0,
            's' => 1 / 86_400.0,
            _ => 0,
        };
        return days is > 0 && count * days < 365 * 1000 ? TimeSpan.FromDays(count * days) : null;
    }

    private static AmqpException Invalid(string argument, MessageQueue queue, Amqp091Connection connection, string why) =>
        Amqp091Errors.InvalidArgument(argument, queue.Name, connection.VirtualHostName, why);
}
