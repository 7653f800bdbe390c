using System.Globalization;
using Sluice.Broker.Definitions;
using Sluice.Broker.Queues;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Arguments of basic.consume. What is not known, or does not fit the queue, is refused (406).</summary>
/// <param name="Priority">x-priority.</param>
/// <param name="Start">x-stream-offset; streams and share groups only.</param>
internal readonly record struct ConsumerArguments(int Priority, StreamStart? Start)
{
    /// <summary>Makes the consumer one of those that compete for a topic as a share group of this name.</summary>
    private const string ShareGroup = "x-share-group";

    private const int GroupNameMax = 255;

    /// <summary>The share group that is named; null: none.</summary>
    public static string? GroupOf(Arguments arguments, string queue, Amqp091Connection connection) => arguments[ShareGroup] switch
    {
        string { Length: > 0 and <= GroupNameMax } name => name,
        null when arguments.Items.All(static item => item.Key != ShareGroup) => null,
        _ => throw Invalid(ShareGroup, queue, connection, $"expected a name of 1 to {GroupNameMax} characters"),
    };

    /// <param name="arguments">As sent.</param>
    /// <param name="queue">Name of the queue or topic.</param>
    /// <param name="hasOffsets">It is a stream, or read as a share group.</param>
    /// <param name="connection">The client's.</param>
    public static ConsumerArguments Read(Arguments arguments, string queue, bool hasOffsets, Amqp091Connection connection)
    {
        int priority = 0;
        StreamStart? start = null;
        foreach ((string name, object? value) in arguments.Items)
        {
            switch (name)
            {
                case "x-priority":
                    priority = value is long and >= int.MinValue and <= int.MaxValue ? (int)(long)value : throw Invalid(name, queue, connection, "expected a 32-bit integer");
                    break;
                case "x-stream-offset" when hasOffsets:
                    start = ReadStart(value, connection.Server.Clock.GetUtcNow()) ?? throw Invalid(name, queue, connection, "expected first, last, next, an offset, a timestamp, or an interval such as 1h");
                    break;
                case "x-stream-offset":
                    throw Invalid(name, queue, connection, "only streams have offsets");
                case ShareGroup:
                    break;
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

    private static AmqpException Invalid(string argument, string queue, Amqp091Connection connection, string why) =>
        Amqp091Errors.InvalidArgument(argument, queue, connection.VirtualHostName, why);
}
