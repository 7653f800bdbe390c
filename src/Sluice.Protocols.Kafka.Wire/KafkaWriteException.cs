using System.Diagnostics.CodeAnalysis;

namespace Sluice.Protocols.Kafka.Wire;

/// <summary>A message can't be written as asked: the version lacks a field that is set, a field is null where it must not be, or something is too long. What was written so far is of no use.</summary>
public sealed class KafkaWriteException : Exception
{
    public KafkaWriteException()
    {
    }

    public KafkaWriteException(string message)
        : base(message)
    {
    }

    public KafkaWriteException(string message, Exception inner)
        : base(message, inner)
    {
    }

    [DoesNotReturn]
    internal static void ThrowVersion(string message, short version) => throw new KafkaWriteException($"{message} has no version {version}");

    [DoesNotReturn]
    internal static void ThrowFieldVersion(string field, short version) => throw new KafkaWriteException($"{field} is set, but version {version} has no such field");

    [DoesNotReturn]
    internal static void ThrowLength(string what, long length) => throw new KafkaWriteException($"{length} bytes are too many for {what}");

    [DoesNotReturn]
    internal static void ThrowNull(string field) => throw new KafkaWriteException($"{field} must not be null in this version");

    internal static T NotNull<T>([NotNull] T? value, string field)
        where T : class
    {
        if (value is null)
        {
            ThrowNull(field);
        }

        return value;
    }
}
