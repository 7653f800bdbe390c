namespace Sluice.LoadGenerator.Client;

/// <summary>The server closed the channel or connection, or cancelled a consumer. The message has its code and text.</summary>
public sealed class AmqpClosedException(string what, int code, string text)
    : Exception(code == 0 ? $"The server {what}: {text}" : $"The server {what}: {code} {text}")
{
    /// <summary>AMQP reply code (404, 406…); 0 if it gave none.</summary>
    public int Code { get; } = code;

    /// <summary>The server's own words.</summary>
    public string Text { get; } = text;
}

/// <summary>The server sent something that AMQP 0-9-1 does not allow here.</summary>
public sealed class AmqpProtocolException(string message) : Exception(message);

/// <summary>Nothing listens, the connection broke, or the server did not answer in time.</summary>
public sealed class AmqpUnreachableException(string message, Exception? inner = null) : Exception(message, inner);
