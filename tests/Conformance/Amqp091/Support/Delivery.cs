using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Sluice.Conformance.Amqp091;

/// <summary>One message as a consumer or basic.get received it, with its body copied.</summary>
public sealed record Delivery(
    ulong Tag, bool Redelivered, string Exchange, string RoutingKey, IReadOnlyBasicProperties Properties, string Body, string ConsumerTag)
{
    /// <summary>The message's headers; empty when it has none.</summary>
    public IDictionary<string, object?> Headers => Properties.Headers ?? new Dictionary<string, object?>();

    public static Delivery From(BasicDeliverEventArgs e) =>
        new(e.DeliveryTag, e.Redelivered, e.Exchange, e.RoutingKey, e.BasicProperties, Encoding.UTF8.GetString(e.Body.Span), e.ConsumerTag);

    public static Delivery From(BasicGetResult result) =>
        new(result.DeliveryTag, result.Redelivered, result.Exchange, result.RoutingKey, result.BasicProperties, Encoding.UTF8.GetString(result.Body.Span), "");

    /// <summary>A header's string value, whether it came as bytes or as text.</summary>
    public string? Header(string name) => Headers.TryGetValue(name, out object? value) ? Text(value) : null;

    /// <summary>The x-death entries, newest first, as the broker wrote them.</summary>
    public IReadOnlyList<IDictionary<string, object?>> Deaths =>
        Headers.TryGetValue("x-death", out object? value) && value is List<object?> list ? [.. list.Cast<IDictionary<string, object?>>()] : [];

    /// <summary>Renders a field value as text: long strings arrive as byte arrays.</summary>
    public static string? Text(object? value) => value switch
    {
        null => null,
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        _ => value.ToString(),
    };
}
