using System.CommandLine;
using System.Text;
using System.Text.Json;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice consume: prints messages of a queue as they come.</summary>
internal static class ConsumeVerb
{
    private const int Prefetch = 100;

    private static readonly Argument<string?> Queue = new("queue") { Description = "Queue to consume. Left out with --kafka.", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<long> Count = new("--count") { Description = "Stop after this many (0: go on until Ctrl+C)." };
    private static readonly Option<double?> Wait = new("--wait") { Description = "Stop when none came for this long.", HelpName = "seconds" };
    private static readonly Option<bool> Peek = new("--peek") { Description = "Only look: do not acknowledge, so that the messages go back when the command ends." };
    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Show where each message came from and its properties." };
    private static readonly Option<string?> Offset = new("--offset") { Description = "Where to begin in a stream or topic: first, last (streams only), next (what comes from now on; the default) or an offset." };

    public static Command Create() => Invocation.Verb("consume", "Consume a queue and print its messages, a line each.", RunAsync)
        .With(Queue, Count, Wait, Peek, Verbose, Offset).With(KafkaConsume.Options).WithAmqp();

    private static Task<int> RunAsync(Invocation invocation)
    {
        TimeSpan? wait = invocation.Value(Wait) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        long most = invocation.Value(Count) is var count and > 0 ? count : long.MaxValue;
        if (!invocation.Has(KafkaConsume.Topic))
        {
            invocation.Refuse("is for Kafka: name a topic with --kafka", KafkaConsume.OwnOptions);
            return Task.FromResult(Run(invocation, wait ?? Timeout.InfiniteTimeSpan, most));
        }

        invocation.Refuse("is not for Kafka", ServerOptions.Port, ServerOptions.VirtualHost);
        return invocation.Value(Queue) is { } surplus
            ? throw new CommandException($"'{surplus}' is one argument too many: with --kafka there is none.")
            : KafkaConsume.RunAsync(invocation, wait, most, invocation.Value(Peek), invocation.Value(Verbose), invocation.Value(Offset));
    }

    private static int Run(Invocation invocation, TimeSpan wait, long most)
    {
        string queue = invocation.Value(Queue) ?? throw new CommandException("'sluice consume' needs the argument <queue>. See 'sluice consume --help'.");
        bool peek = invocation.Value(Peek);
        Dictionary<string, object?> arguments = [];
        if (invocation.Value(Offset) is { } offset)
        {
            arguments["x-stream-offset"] = long.TryParse(offset, out long number) ? number : offset;
        }

        using AmqpClient client = invocation.ConnectAmqp();

        // Never more on the way than will be taken: the rest belongs to other consumers. A look at more than a prefetch needs them all at once.
        ushort prefetch = (ushort)(peek ? Math.Min(most, ushort.MaxValue) : Math.Min(most, Prefetch));
        AmqpReceiver receiver = new(client, queue, autoAcknowledge: false, prefetch, arguments);
        long taken = 0;
        while (taken < most && receiver.Receive(wait, invocation.Cancel) is { } message)
        {
            Print(invocation, message);
            taken++;
            if (!peek)
            {
                receiver.Acknowledge(message.DeliveryTag);
            }
        }

        return most == long.MaxValue || taken == most ? 0 : invocation.TooFew(taken, most, wait);
    }

    private static void Print(Invocation invocation, AmqpMessage message)
    {
        if (invocation.Json)
        {
            invocation.Out.WriteLine(ToJson(message));
            return;
        }

        if (invocation.Value(Verbose))
        {
            invocation.Out.WriteLine($"exchange '{message.Exchange}', key '{message.RoutingKey}'{(message.Redelivered ? ", redelivered" : "")}, {message.Body.Length} bytes");
            foreach ((string name, object value) in message.Properties.Present())
            {
                invocation.Out.WriteLine($"  {name}: {(value is IReadOnlyDictionary<string, object?> headers ? string.Join(", ", headers.Select(header => $"{header.Key}={header.Value}")) : value)}");
            }
        }

        invocation.Out.WriteLine(Encoding.UTF8.GetString(message.Body));
    }

    /// <summary>One line of JSON, so that a program can read a message a line.</summary>
    private static string ToJson(AmqpMessage message)
    {
        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            writer.WriteStartObject();
            writer.WriteString("exchange", message.Exchange);
            writer.WriteString("routing_key", message.RoutingKey);
            writer.WriteBoolean("redelivered", message.Redelivered);
            writer.WriteStartObject("properties");
            foreach ((string name, object value) in message.Properties.Present())
            {
                writer.WritePropertyName(name);
                Write(writer, value);
            }

            writer.WriteEndObject();
            bool isText = System.Text.Unicode.Utf8.IsValid(message.Body);
            writer.WriteString("payload_encoding", isText ? "string" : "base64");
            if (isText)
            {
                writer.WriteString("payload", message.Body);
            }
            else
            {
                writer.WriteBase64String("payload", message.Body);
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(json.ToArray());
    }

    private static void Write(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case double number:
                writer.WriteNumberValue(number);
                break;
            case DateTimeOffset time:
                writer.WriteNumberValue(time.ToUnixTimeSeconds());
                break;
            case byte[] bytes:
                writer.WriteBase64StringValue(bytes);
                break;
            case IReadOnlyDictionary<string, object?> table:
                writer.WriteStartObject();
                foreach ((string name, object? member) in table)
                {
                    writer.WritePropertyName(name);
                    Write(writer, member);
                }

                writer.WriteEndObject();
                break;
            case IReadOnlyList<object?> list:
                writer.WriteStartArray();
                foreach (object? item in list)
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                writer.WriteStringValue(value.ToString());
                break;
        }
    }
}
