namespace Sluice.Security.Sasl;

/// <summary>One login by a SASL mechanism, as the server sees it: the client's messages go in one after the other until there is a result. Not thread-safe.</summary>
public abstract class SaslExchange
{
    /// <summary>Longest message that a client may send, in bytes; what is longer is malformed. Kafka's sasl.server.max.receive.size.</summary>
    public const int MessageBytesMax = 512 << 10;

    /// <summary>Takes the client's next message. The message is borrowed until completion. Cancel when the client is gone.</summary>
    public abstract ValueTask<SaslStep> NextAsync(ReadOnlyMemory<byte> message, CancellationToken cancellation);
}

/// <summary>What the server says to a client's message.</summary>
/// <param name="Challenge">For the client; may be empty.</param>
/// <param name="Login">How it ended; null while more messages are awaited.</param>
/// <param name="ExpiresAt">When what the client has shown stops being good; null: never.</param>
public readonly record struct SaslStep(ReadOnlyMemory<byte> Challenge, LoginResult? Login, DateTimeOffset? ExpiresAt = null);
