using System.Net.Security;

namespace Sluice.Transport;

/// <summary>TLS with one client.</summary>
/// <param name="inner">Carries it; owned from now on.</param>
internal sealed class ServerTlsStream(Stream inner) : SslStream(inner)
{
    private bool _hasRead;

    /// <summary>What is wrong with the client's certificate; null: nothing, or it was not looked at yet.</summary>
    public string? ClientCertificateProblem { get; set; }

    /// <summary>Hears why the first read has failed: some clients look at the broker's certificate only when their side of the handshake is done.</summary>
    public Action<IOException>? FirstReadFailed { get; set; }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _hasRead ? base.ReadAsync(buffer, cancellationToken) : ReadFirstAsync(base.ReadAsync(buffer, cancellationToken));

    private async ValueTask<int> ReadFirstAsync(ValueTask<int> read)
    {
        try
        {
            int count = await read.ConfigureAwait(false);
            _hasRead = true;
            return count;
        }
        catch (IOException error)
        {
            _hasRead = true;
            FirstReadFailed?.Invoke(error);
            throw;
        }
    }
}
