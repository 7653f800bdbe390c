using System.Net.Security;

namespace Sluice.Transport;

/// <summary>TLS with one client.</summary>
/// <param name="inner">Carries it; owned from now on.</param>
internal sealed class ServerTlsStream(Stream inner) : SslStream(inner)
{
    /// <summary>What is wrong with the client's certificate; null: nothing, or it was not looked at yet.</summary>
    public string? ClientCertificateProblem { get; set; }
}
