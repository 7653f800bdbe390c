namespace Sluice.Transport;

/// <summary>A client and the broker have not come to speak TLS; the message says why and what is to be done.</summary>
internal sealed class TlsFailedException(string message, Exception? inner = null) : Exception(message, inner);
