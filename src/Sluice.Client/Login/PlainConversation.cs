using System.Text;

namespace Sluice.Client.Login;

/// <summary>PLAIN (RFC 4616): one message says all.</summary>
internal sealed class PlainConversation(SaslPlain login) : ISaslConversation
{
    public ValueTask<byte[]> BeginAsync(CancellationToken cancel) => ValueTask.FromResult(Encoding.UTF8.GetBytes($"\0{login.User}\0{login.Password}"));

    public byte[]? Answer(ReadOnlySpan<byte> message) => null;
}
