using System.Diagnostics.CodeAnalysis;

namespace Sluice.Protocols.Kafka.Wire;

/// <summary>Bytes of a peer, or of an internal log, are not what the Kafka protocol says they are. Nothing more may be read from the frame.</summary>
public sealed class KafkaParseException : Exception
{
    public KafkaParseException()
    {
    }

    public KafkaParseException(string message)
        : base(message)
    {
    }

    public KafkaParseException(string message, Exception inner)
        : base(message, inner)
    {
    }

    [DoesNotReturn]
    internal static void ThrowEnd(long wanted, int remaining) => throw new KafkaParseException($"{wanted} bytes are announced, {remaining} are left");

    [DoesNotReturn]
    internal static void ThrowLength(string what, long length) => throw new KafkaParseException($"{length} is no length of {what}");

    [DoesNotReturn]
    internal static void ThrowNull(string what) => throw new KafkaParseException($"null where {what} must be");

    [DoesNotReturn]
    internal static void ThrowVarint() => throw new KafkaParseException("a variable-length integer is too long");

    [DoesNotReturn]
    internal static void ThrowUtf8() => throw new KafkaParseException("a string is not UTF-8");

    [DoesNotReturn]
    internal static void ThrowStructs(int max) => throw new KafkaParseException($"the message has more than {max} structures");

    [DoesNotReturn]
    internal static void ThrowTagSize() => throw new KafkaParseException("a tagged field does not have the size it announces");

    [DoesNotReturn]
    internal static void ThrowRest(int remaining) => throw new KafkaParseException($"{remaining} bytes follow the message");

    /// <summary>A message was asked for in a version that it does not have.</summary>
    [DoesNotReturn]
    internal static void ThrowVersion(string message, short version) => throw new KafkaParseException($"{message} has no version {version}");
}
