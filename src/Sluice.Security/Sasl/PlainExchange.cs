namespace Sluice.Security.Sasl;

/// <summary>PLAIN (RFC 4616): one message says it all.</summary>
internal sealed class PlainExchange(Authenticator authenticator, LoginOrigin origin) : SaslExchange
{
    public override async ValueTask<SaslStep> NextAsync(ReadOnlyMemory<byte> message, CancellationToken cancellation) =>
        new(default, await authenticator.LoginPlainAsync(message, origin, cancellation).ConfigureAwait(false));
}
