namespace Sluice.Client.Login;

/// <summary>One login, as the client sees it: it speaks first, then answers what the broker says. Not thread-safe.</summary>
internal interface ISaslConversation
{
    /// <summary>The client's first message.</summary>
    /// <exception cref="InvalidDataException">There is nothing to begin with; the message says why.</exception>
    ValueTask<byte[]> BeginAsync(CancellationToken cancel);

    /// <summary>What the client says to the broker's message; null: nothing, it is logged in. Comes to an end by itself, whatever the broker says.</summary>
    /// <exception cref="InvalidDataException">What the broker says is not right; the message says why.</exception>
    byte[]? Answer(ReadOnlySpan<byte> message);
}
