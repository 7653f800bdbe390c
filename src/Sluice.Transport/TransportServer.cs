using System.Net;
using Microsoft.Extensions.Logging;

namespace Sluice.Transport;

/// <summary>Accepts connections on any number of listeners and hands each to its protocol.</summary>
public sealed class TransportServer : IAsyncDisposable
{
    public TransportServer(TransportOptions options, TimeProvider clock, ILoggerFactory loggers) => throw new NotImplementedException();

    public TransportOptions Options => throw new NotImplementedException();

    /// <summary>Receive and send blocks of all connections.</summary>
    public BlockPool Pool => throw new NotImplementedException();

    /// <summary>Connections open now.</summary>
    public int ConnectionCount => throw new NotImplementedException();

    /// <summary>Connections open now, in no order.</summary>
    public IEnumerable<ClientConnection> Connections => throw new NotImplementedException();

    /// <summary>Binds, begins to accept, and returns the address bound (with the port taken if 0 was asked for).</summary>
    /// <exception cref="ListenException">The address is in use or not allowed, or the certificate cannot be used; the message says which and what to do.</exception>
    public IPEndPoint Listen(ListenerOptions options, IProtocolHandler handler) => throw new NotImplementedException();

    /// <summary>Stops accepting, cancels the handlers' stopping token, waits up to <paramref name="limit"/> for them, aborts the rest.</summary>
    public Task StopAsync(TimeSpan limit) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>A listener could not be started; the message says why and what to do.</summary>
public sealed class ListenException : IOException
{
    public ListenException()
    {
    }

    public ListenException(string message)
        : base(message)
    {
    }

    public ListenException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
