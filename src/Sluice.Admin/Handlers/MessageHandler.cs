using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;
using Sluice.Broker.Publishing;
using Sluice.Broker.Queues;
using Sluice.Security;

namespace Sluice.Admin.Handlers;

/// <summary>Publishing to an exchange, getting from a queue, and the aliveness test, which does both. For looks and tests, not for traffic.</summary>
internal static class MessageHandler
{
    private const int GetMax = 10_000;
    private const string AlivenessQueue = "aliveness-test";

    private static readonly string[] AcknowledgeModes = ["ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false"];

    public static void Map(Routes routes)
    {
        routes.Post("api/exchanges/{vhost}/{exchange}/publish", Role.Management, Publish);
        routes.Post("api/queues/{vhost}/{queue}/get", Role.Management, Get);
        routes.Get("api/aliveness-test/{vhost}", Role.Management, Aliveness);
    }

    private static async Task Publish(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        string exchange = ExchangeHandler.NameIn(request);
        JsonBody body = await request.ReadBodyAsync("properties", "routing_key", "payload", "payload_encoding").ConfigureAwait(false);
        string routingKey = body.Text("routing_key");
        request.Require(Access.Write, "exchange", host.Name, exchange);
        ExchangeDefinition found = AdminException.ValueOf(host.FindExchange(exchange));
        if (found.Type == "topic" && !request.AccessTo(host.Name).AllowsTopic(Access.Write, exchange, routingKey))
        {
            throw AdminException.NotAuthorised($"write access to topic '{routingKey}' in exchange '{exchange}' in vhost '{host.Name}' refused for user '{request.User.Name}'");
        }

        EncodedProperties properties = ReadProperties(request, body);
        bool routed = await PublishAsync(request, host, exchange, routingKey, properties, ReadPayload(body)).ConfigureAwait(false);
        await request.ReplyAsync(new RoutedModel(routed), AdminJson.Default.RoutedModel).ConfigureAwait(false);
    }

    private static async Task<bool> PublishAsync(AdminRequest request, VirtualHost host, string exchange, string routingKey, EncodedProperties properties, byte[] payload)
    {
        using PublishTurn turn = host.CreatePublishTurn();
        PublishOutcome outcome = turn.Publish(
            new MessageToPublish
            {
                Exchange = Encoding.UTF8.GetBytes(exchange),
                RoutingKey = Encoding.UTF8.GetBytes(routingKey),
                ExtraRoutingKeys = properties.ExtraRoutingKeys,
                Format = properties.Format,
                Properties = properties.Bytes.Span,
                Body = payload,
                Persistent = properties.Persistent,
                Confirmed = true,
                TimeToLiveMs = properties.TimeToLiveMs,
                Priority = properties.Priority,
                DelayMs = properties.DelayMs,
                Headers = properties.Headers,
            },
            ticket: 1);
        switch (outcome)
        {
            case PublishOutcome.NoSuchExchange:
                throw AdminException.NotFound($"no exchange '{exchange}' in vhost '{host.Name}'");
            case PublishOutcome.Internal:
                throw AdminException.NotAuthorised($"cannot publish to internal exchange '{exchange}' in vhost '{host.Name}'");
            case PublishOutcome.TooLarge:
                throw AdminException.BadRequest($"the message is larger than the largest allowed, {request.Context.Broker.Options.MessageBytesMax} bytes");
            case PublishOutcome.InvalidDelay:
                throw AdminException.BadRequest("x-delay must be a number of milliseconds from 0 on");
        }

        TurnResult result = turn.Flush();
        if (result.Failure is { } failure)
        {
            throw AdminException.Of(BrokerStatus.Unavailable, $"the message could not be kept: {failure.Message}");
        }

        if (result.Rejected is not null)
        {
            throw AdminException.BadRequest("a queue is full and refuses the message (overflow reject-publish)");
        }

        await request.Context.Broker.Store.WhenKeptAsync(result.Position, request.Context.Broker.Options.DurablePromise).ConfigureAwait(false);
        return outcome == PublishOutcome.Routed;
    }

    private static async Task Get(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        JsonBody body = await request.ReadBodyAsync("count", "ackmode", "encoding", "truncate").ConfigureAwait(false);
        int count = body.Number("count");
        string mode = body.Text("ackmode");
        string encoding = body.OptionalText("encoding") ?? "auto";
        int truncate = body.Number("truncate", int.MaxValue);
        if (count is < 1 or > GetMax)
        {
            throw AdminException.BadRequest($"count must be 1 to {GetMax}");
        }

        if (!AcknowledgeModes.Contains(mode))
        {
            throw AdminException.BadRequest($"ackmode must be one of {string.Join(", ", AcknowledgeModes)}");
        }

        if (encoding is not ("auto" or "base64"))
        {
            throw AdminException.BadRequest("encoding must be auto or base64");
        }

        request.Require(Access.Read, "queue", host.Name, request["queue"]);
        MessageQueue queue = AdminException.ValueOf(host.FindQueue(request["queue"], owner: null));
        if (queue.Settings.Kind == QueueKind.Stream)
        {
            throw AdminException.BadRequest($"queue '{queue.Name}' is a stream: it is consumed, not got from");
        }

        using MemoryStream json = new();
        await ReadMessagesAsync(request, queue, count, mode, encoding == "base64", truncate, json).ConfigureAwait(false);
        request.Http.Response.ContentType = "application/json";
        json.Position = 0;
        await json.CopyToAsync(request.Http.Response.Body).ConfigureAwait(false);
    }

    private static async Task ReadMessagesAsync(AdminRequest request, MessageQueue queue, int count, string mode, bool base64, int truncate, MemoryStream to)
    {
        using Utf8JsonWriter writer = new(to);
        MessageSink sink = new(writer, request.Context.Messages, base64, truncate);
        writer.WriteStartArray();
        try
        {
            while (sink.Taken.Count < count && await queue.GetAsync(autoSettle: false, sink).ConfigureAwait(false))
            {
            }
        }
        finally
        {
            MessageId[] taken = [.. sink.Taken];
            switch (mode)
            {
                case "ack_requeue_false":
                    queue.Settle(taken);
                    break;
                case "reject_requeue_false":
                    queue.Reject(taken);
                    break;
                default:
                    queue.Requeue(taken);
                    break;
            }
        }

        writer.WriteEndArray();
    }

    /// <summary>Declares a queue, publishes to it and gets the message back; what fails on the way is the answer. As in RabbitMQ the queue stays, for the next test.</summary>
    private static async Task Aliveness(AdminRequest request)
    {
        VirtualHost host = request.VirtualHost();
        request.Require(Access.Configure, "queue", host.Name, AlivenessQueue);
        request.Require(Access.Write, "exchange", host.Name, "");
        request.Require(Access.Read, "queue", host.Name, AlivenessQueue);
        QueueDefinition definition = new(AlivenessQueue, Durable: false, Exclusive: false, AutoDelete: false, Arguments.Empty);
        MessageQueue queue = AdminException.ValueOf(await host.DeclareQueueAsync(definition, owner: null).ConfigureAwait(false));
        EncodedProperties properties = new(PropertiesFormat.None, ReadOnlyMemory<byte>.Empty);
        await PublishAsync(request, host, "", AlivenessQueue, properties, "test_message"u8.ToArray()).ConfigureAwait(false);
        CountingSink sink = new();
        await queue.GetAsync(autoSettle: true, sink).ConfigureAwait(false);
        if (sink.Count == 0)
        {
            request.Http.Response.StatusCode = StatusCodes.Status500InternalServerError;
        }

        await request.ReplyAsync(sink.Count > 0 ? new StatusModel("ok") : new StatusModel("failed", "the message published to queue 'aliveness-test' did not come back"), AdminJson.Default.StatusModel).ConfigureAwait(false);
    }

    private static EncodedProperties ReadProperties(AdminRequest request, JsonBody body)
    {
        try
        {
            return request.Context.Messages.Encode(body.Find("properties") ?? JsonElement.Parse("{}"));
        }
        catch (FormatException error)
        {
            throw AdminException.BadRequest(error.Message);
        }
    }

    private static byte[] ReadPayload(JsonBody body)
    {
        string payload = body.Text("payload");
        switch (body.OptionalText("payload_encoding") ?? "string")
        {
            case "string":
                return Encoding.UTF8.GetBytes(payload);
            case "base64":
                try
                {
                    return Convert.FromBase64String(payload);
                }
                catch (FormatException)
                {
                    throw AdminException.BadRequest("the payload is not valid base64");
                }

            default:
                throw AdminException.BadRequest("payload_encoding must be string or base64");
        }
    }

    private sealed class CountingSink : IDeliverySink
    {
        public int Count { get; private set; }

        public void Take(in Delivery delivery, long remaining) => Count++;
    }

    /// <summary>Writes each message as an object while it may be looked at.</summary>
    private sealed class MessageSink(Utf8JsonWriter writer, IMessageFormat format, bool base64, int truncate) : IDeliverySink
    {
        public List<MessageId> Taken { get; } = [];

        public void Take(in Delivery delivery, long remaining)
        {
            MessageView message = delivery.Message;
            ReadOnlySpan<byte> payload = message.Body[..Math.Min(truncate, message.Body.Length)];
            writer.WriteStartObject();
            writer.WriteNumber("payload_bytes", message.Body.Length);
            writer.WriteBoolean("redelivered", delivery.Redelivered);
            writer.WriteString("exchange", message.Exchange);
            writer.WriteString("routing_key", message.RoutingKey);
            writer.WriteNumber("message_count", remaining);
            writer.WriteStartObject("properties");
            format.WriteProperties(writer, message.Format, message.Properties);
            writer.WriteEndObject();
            if (base64 || !Utf8.IsValid(payload))
            {
                writer.WriteBase64String("payload", payload);
                writer.WriteString("payload_encoding", "base64");
            }
            else
            {
                writer.WriteString("payload", payload);
                writer.WriteString("payload_encoding", "string");
            }

            writer.WriteEndObject();
            Taken.Add(delivery.Id);
        }
    }
}
