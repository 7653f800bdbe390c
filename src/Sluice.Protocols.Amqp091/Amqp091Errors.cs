using System.Text;
using Sluice.Broker;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091;

/// <summary>The one place where outcomes of the broker become AMQP reply codes and texts, worded as RabbitMQ words them.</summary>
internal static class Amqp091Errors
{
    /// <summary>The reply code of a failed broker operation.</summary>
    public static ReplyCode CodeOf(BrokerStatus status) => status switch
    {
        BrokerStatus.NotFound => ReplyCode.NotFound,
        BrokerStatus.Locked => ReplyCode.ResourceLocked,
        BrokerStatus.ExclusiveUse or BrokerStatus.Forbidden => ReplyCode.AccessRefused,
        BrokerStatus.Unsupported => ReplyCode.NotImplemented,
        BrokerStatus.Unavailable => ReplyCode.InternalError,
        _ => ReplyCode.PreconditionFailed,
    };

    public static AmqpException Of(BrokerStatus status, string detail) => new(CodeOf(status), detail);

    public static void ThrowIfFailed(BrokerResult result)
    {
        if (!result.IsOk)
        {
            throw Of(result.Status, result.Detail);
        }
    }

    /// <summary>The value, or the failure as an exception.</summary>
    public static T ValueOf<T>(BrokerResult<T> result) => result.IsOk ? result.Value! : throw Of(result.Status, result.Detail);

    public static AmqpException Refused(Access access, string kind, string name, string virtualHost, string user) =>
        new(ReplyCode.AccessRefused, $"{Word(access)} access to {kind} '{(name.Length == 0 ? "amq.default" : name)}' in vhost '{virtualHost}' refused for user '{user}'");

    public static AmqpException TopicRefused(Access access, string exchange, string routingKey, string virtualHost, string user) =>
        new(ReplyCode.AccessRefused, $"{Word(access)} access to topic '{routingKey}' in exchange '{exchange}' in vhost '{virtualHost}' refused for user '{user}'");

    public static AmqpException UnknownDeliveryTag(ulong tag) => new(ReplyCode.PreconditionFailed, $"unknown delivery tag {tag}");

    public static AmqpException InvalidArgument(string argument, string queue, string virtualHost, string why) =>
        new(ReplyCode.PreconditionFailed, $"invalid arg '{argument}' for queue '{queue}' in vhost '{virtualHost}': {why}");

    public static AmqpException DefaultExchange() => new(ReplyCode.AccessRefused, "operation not permitted on the default exchange");

    public static AmqpException Unexpected(string explanation) => new(ReplyCode.UnexpectedFrame, explanation);

    /// <summary>The text cut to what a short string holds, at a character's border.</summary>
    public static byte[] ReplyText(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        if (utf8.Length <= Amqp091Limits.ReplyTextMax)
        {
            return utf8;
        }

        int end = Amqp091Limits.ReplyTextMax;
        while (end > 0 && (utf8[end] & 0xC0) == 0x80)
        {
            end--;
        }

        return utf8[..end];
    }

    private static string Word(Access access) => access switch
    {
        Access.Configure => "configure",
        Access.Write => "write",
        _ => "read",
    };
}
