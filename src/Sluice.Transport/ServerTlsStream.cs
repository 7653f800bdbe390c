using System.Net.Security;

namespace Sluice.Transport;

/// <summary>TLS with one client.</summary>
/// <param name="inner">Carries it; owned from now on.</param>
internal sealed class ServerTlsStream(Stream inner) : SslStream(inner)
{
    private bool _hasHeard;

    /// <summary>The client has ended the connection after the handshake before it said anything.</summary>
    public bool HasEndedUnheard { get; private set; }

    /// <summary>What it has ended it with; null: nothing.</summary>
    public IOException? EndError { get; private set; }

    /// <summary>What is wrong with the client's certificate; null: nothing, or it was not looked at yet.</summary>
    public string? ClientCertificateProblem { get; set; }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _hasHeard ? base.ReadAsync(buffer, cancellationToken) : ReadFirstAsync(buffer, cancellationToken);

    private async ValueTask<int> ReadFirstAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            int count = await base.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (!buffer.IsEmpty)
            {
                _hasHeard = true;
                HasEndedUnheard = count == 0;
            }

            return count;
        }
        catch (IOException error)
        {
            (_hasHeard, HasEndedUnheard, EndError) = (true, true, error);
            throw;
        }
    }
}
