namespace Sluice.LoadGenerator.Client;

/// <summary>Where to connect and as whom.</summary>
public sealed record AmqpClientOptions
{
    public string Host { get; init; } = "127.0.0.1";

    public int Port { get; init; } = 5672;

    public string User { get; init; } = "guest";

    public string Password { get; init; } = "guest";

    public string VirtualHost { get; init; } = "/";

    /// <summary>How long the server may take for an answer or to take data, in ms.</summary>
    public int TimeoutMs { get; init; } = 60_000;

    /// <summary>Octets of the receive buffer; at least one largest frame. Idle connections ask for little.</summary>
    public int ReceiveBufferBytes { get; init; } = 2 * AmqpFrames.BytesMax;

    /// <summary>SO_SNDBUF and SO_RCVBUF in octets; 0 leaves the kernel's choice.</summary>
    public int SocketBufferBytes { get; init; } = 256 * 1024;

    /// <summary>What the server's operators see as this connection's name.</summary>
    public string ConnectionName { get; init; } = "sluice";
}
