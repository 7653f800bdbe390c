using System.CommandLine;
using System.Globalization;
using System.Text;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Client;

namespace Sluice.Commands.Verbs;

/// <summary>sluice publish: one message, or one per line of standard input.</summary>
internal static class PublishVerb
{
    private static readonly Argument<string?> Key = new("key") { Description = "Routing key; with the nameless exchange, the queue's name. Left out with --kafka.", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Argument<string?> Body = new("body") { Description = "The message; standard input when not given.", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string> Exchange = new("--exchange") { Description = "Exchange to publish to (the nameless one).", DefaultValueFactory = _ => "" };
    private static readonly Option<bool> Lines = new("--lines") { Description = "Each line of standard input is a message." };
    private static readonly Option<int> Count = new("--count") { Description = "Publish the message this often.", DefaultValueFactory = _ => 1 };
    private static readonly Option<bool> Transient = new("--transient") { Description = "May be lost with the broker; messages are persistent otherwise." };
    private static readonly Option<bool> Optional = new("--optional") { Description = "No error if no queue takes the message." };
    private static readonly Option<string?> ContentType = new("--content-type") { Description = "Such as application/json." };
    private static readonly Option<string?> CorrelationId = new("--correlation-id") { Description = "Correlation id." };
    private static readonly Option<string?> ReplyTo = new("--reply-to") { Description = "Where answers go." };
    private static readonly Option<string?> MessageId = new("--message-id") { Description = "Message id." };
    private static readonly Option<int?> Priority = new("--priority") { Description = "0 to 255." };
    private static readonly Option<long?> TimeToLive = new("--ttl") { Description = "Time to live, in ms.", HelpName = "ms" };
    private static readonly Option<string[]> Headers = KeyValues.Option("--header", "retries=3", "Header");

    public static Command Create() => Invocation.Verb("publish", "Publish messages and wait until the broker has them.", RunAsync)
        .With(Key, Body, Exchange, Lines, Count, Transient, Optional, ContentType, CorrelationId, ReplyTo, MessageId, Priority, TimeToLive, Headers).With(KafkaPublish.Options).WithAmqp();

    private static Task<int> RunAsync(Invocation invocation)
    {
        if (!invocation.Has(KafkaPublish.Topic))
        {
            invocation.Refuse("is for Kafka: name a topic with --kafka", KafkaPublish.OwnOptions);
            return PublishAsync(invocation);
        }

        invocation.Refuse("is not for Kafka", ServerOptions.Port, ServerOptions.VirtualHost, Exchange, Transient, Optional, ContentType, CorrelationId, ReplyTo, MessageId, Priority, TimeToLive);
        return invocation.Value(Body) is { } surplus
            ? throw new CommandException($"'{surplus}' is one argument too many: with --kafka the message is the only one.")
            : KafkaPublish.RunAsync(invocation, (send, goesOn) => EachAsync(invocation, Key, send, goesOn), invocation.Value(Lines), invocation.Value(Headers));
    }

    private static async Task<int> PublishAsync(Invocation invocation)
    {
        string key = invocation.Value(Key) ?? throw new CommandException("'sluice publish' needs the argument <key>. See 'sluice publish --help'.");
        AmqpProperties properties = Properties(invocation);
        string exchange = invocation.Value(Exchange);
        bool isMandatory = !invocation.Value(Optional);
        long given = 0;
        long returned = 0;
        string? reason = null;
        using AmqpClient client = invocation.ConnectAmqp();
        AmqpPublisher publisher = new(client)
        {
            Returned = message =>
            {
                returned++;
                reason = message.ReturnReason;
            },
        };
        try
        {
            using ProgressLine progress = invocation.Progress();
            await EachAsync(invocation, Body, Publish, SendWhileIdle).ConfigureAwait(false);
            publisher.Flush(TimeSpan.FromSeconds(60));

            ValueTask Publish(byte[] body)
            {
                given++;
                publisher.Publish(exchange, key, properties, body, isMandatory);
                progress.Show($"{publisher.Confirmed:N0} messages confirmed");
                return ValueTask.CompletedTask;
            }

            bool SendWhileIdle()
            {
                publisher.Pump();
                return true;
            }
        }
        catch (Exception error) when (error is AmqpUnreachableException or AmqpClosedException or AmqpProtocolException)
        {
            throw new CommandException($"{error.Message.TrimEnd('.')}. {publisher.Confirmed:N0} of {given:N0} {(given == 1 ? "message was" : "messages were")} confirmed; whether the broker has the others is not known.");
        }

        if (publisher.Nacked > 0)
        {
            throw new CommandException($"The broker refused {publisher.Nacked} messages: a queue is full, or storage has failed. See its log.");
        }

        if (returned > 0)
        {
            throw new CommandException($"{returned} messages came back ({reason}): no queue is bound to '{exchange}' for the key '{key}'. See 'sluice binding list'.");
        }

        return invocation.Done($"{publisher.Confirmed:N0} published and confirmed.", "published", publisher.Confirmed);
    }

    private static AmqpProperties Properties(Invocation invocation)
    {
        int? priority = invocation.Value(Priority);
        if (priority is < 0 or > 255)
        {
            throw new CommandException("A priority is 0 to 255.");
        }

        Dictionary<string, object?> headers = KeyValues.ToTable(invocation.Value(Headers));
        return new AmqpProperties
        {
            ContentType = invocation.Value(ContentType),
            CorrelationId = invocation.Value(CorrelationId),
            ReplyTo = invocation.Value(ReplyTo),
            MessageId = invocation.Value(MessageId),
            DeliveryMode = invocation.Value(Transient) ? (byte)1 : (byte)2,
            Priority = (byte?)priority,
            Expiration = invocation.Value(TimeToLive)?.ToString(CultureInfo.InvariantCulture),
            Headers = headers.Count > 0 ? headers : null,
        };
    }

    /// <summary>Gives the messages one after the other.</summary>
    private static async Task EachAsync(Invocation invocation, Argument<string?> argument, Func<byte[], ValueTask> send, Func<bool> goesOn)
    {
        if (invocation.Value(Lines))
        {
            using Stream lines = Console.OpenStandardInput();
            await MessageInput.EachLineAsync(lines, send, goesOn, invocation.Cancel).ConfigureAwait(false);
            return;
        }

        byte[] body;
        if (invocation.Value(argument) is { } given)
        {
            body = Encoding.UTF8.GetBytes(given);
        }
        else
        {
            using Stream input = Console.OpenStandardInput();
            using MemoryStream all = new();
            await input.CopyToAsync(all, invocation.Cancel).ConfigureAwait(false);
            body = all.ToArray();
        }

        for (int i = 0; i < invocation.Value(Count); i++)
        {
            invocation.Cancel.ThrowIfCancellationRequested();
            await send(body).ConfigureAwait(false);
        }
    }
}
