using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Sluice.Transport;

/// <summary>Settings that all listeners of a <see cref="TransportServer"/> share.</summary>
public sealed record TransportOptions
{
    /// <summary>Connections open at once, all listeners together.</summary>
    public int ConnectionsMax { get; init; } = 50_000;

    /// <summary>Threads that receive, handle and send; each connection belongs to one of them. 0: as many as processors. On Linux; elsewhere the thread pool does it.</summary>
    public int IoThreads { get; init; }

    /// <summary>Kernel send and receive buffer of a connection, in bytes. Small ones keep the data in the processor's cache.</summary>
    public int SocketBufferBytes { get; init; } = 256 << 10;

    /// <summary>Time from accept to <see cref="ClientConnection.HandshakeCompleted"/>, TLS included. Zero: no limit.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time for the last bytes to be taken by the peer when a connection closes.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Idle time after which the kernel begins to probe whether the peer is still there.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Free blocks of 64 KB kept for reuse.</summary>
    public int FreeBlocksMax { get; init; } = 512;

    public ConnectionWriterLimits Output { get; init; } = ConnectionWriterLimits.Default;
}

/// <summary>Settings of one listener.</summary>
public sealed record ListenerOptions
{
    /// <summary>For logs and listings, e.g. "amqp" or "amqps".</summary>
    public required string Name { get; init; }

    /// <summary>What the operator sets to choose another port; for the message when it cannot be used.</summary>
    public string? PortSetting { get; init; }

    /// <summary>Port 0 takes a free one. <see cref="IPAddress.IPv6Any"/> also accepts IPv4.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>Null: plaintext.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Connections open at once on this listener.</summary>
    public int ConnectionsMax { get; init; } = 50_000;

    /// <summary>Connections the kernel holds until they are accepted.</summary>
    public int Backlog { get; init; } = 1024;
}

/// <summary>Whether clients must show a certificate.</summary>
public enum ClientCertificateMode
{
    /// <summary>Not asked for.</summary>
    None,

    /// <summary>Asked for; one that is shown must be valid.</summary>
    Optional,

    /// <summary>No connection without a valid one.</summary>
    Required,
}

/// <summary>TLS on a listener.</summary>
public sealed record TlsOptions
{
    /// <summary>PEM (chain: leaf first) or PFX file.</summary>
    public required string CertificateFile { get; init; }

    /// <summary>PEM private key; null: it is in <see cref="CertificateFile"/>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Of the key or of the PFX file; null: none.</summary>
    public string? Password { get; init; }

    public ClientCertificateMode ClientCertificates { get; init; }

    /// <summary>PEM file of the authorities that client certificates must descend from; null: those the machine trusts.</summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>Refuse TLS 1.2.</summary>
    public bool Tls13Only { get; init; }

    /// <summary>What the operator's names of these settings begin with, such as "Amqp:Tls"; null: they are named as here.</summary>
    public string? Section { get; init; }

    /// <summary>What is to be said of a certificate that comes into force, as a warning; null: nothing ever is.</summary>
    public Func<X509Certificate2, string?>? Remark { get; init; }

    /// <summary>What the operator calls the setting.</summary>
    internal string SettingOf(string property) => Section is null ? property : $"{Section}:{property}";
}
