using System.Diagnostics.CodeAnalysis;

namespace Sluice.Protocols.Amqp091.Wire;

/// <summary>A peer broke the protocol, or asked for what cannot be: carries the reply code and text that it is told.</summary>
public sealed class AmqpException : Exception
{
    public AmqpException()
        : this(ReplyCode.InternalError, "")
    {
    }

    public AmqpException(string message)
        : this(ReplyCode.InternalError, message)
    {
    }

    public AmqpException(string message, Exception inner)
        : base(message, inner) => Code = ReplyCode.InternalError;

    /// <param name="code">Decides whether channel or connection is closed.</param>
    /// <param name="explanation">What happened, to whom; the code's name is put before it.</param>
    public AmqpException(ReplyCode code, string explanation)
        : base($"{ReplyCodes.Name(code)} - {explanation}") => Code = code;

    public ReplyCode Code { get; }

    /// <summary>The byte stream can no longer be followed: nothing more may be parsed from it.</summary>
    public bool LostFraming { get; init; }

    [DoesNotReturn]
    internal static void ThrowFrame(string explanation) => throw new AmqpException(ReplyCode.FrameError, explanation);

    [DoesNotReturn]
    internal static void ThrowSyntax(string explanation) => throw new AmqpException(ReplyCode.SyntaxError, explanation);

    [DoesNotReturn]
    internal static void ThrowLostFraming(string explanation) => throw new AmqpException(ReplyCode.FrameError, explanation) { LostFraming = true };
}
