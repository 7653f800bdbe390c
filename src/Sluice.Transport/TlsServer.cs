using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Sluice.Transport;

/// <summary>
/// The server side of TLS on one listener. Certificate files that were replaced are taken up by the handshakes that follow, looked for at most every
/// <see cref="LookPeriod"/>; if they cannot be used, the old ones stay in force and the log says so.
/// </summary>
internal sealed class TlsServer
{
    public static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(5);

    private readonly string _listener;
    private readonly TlsOptions _settings;
    private readonly TlsFiles _files;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Lock _looking = new();
    private volatile SslServerAuthenticationOptions _options;
    private byte[] _fingerprint;
    private long _lookedAt;

    /// <exception cref="ListenException">A certificate file is missing or not usable.</exception>
    public TlsServer(string listener, TlsOptions options, TimeProvider clock, ILogger logger)
    {
        _listener = listener;
        _settings = options;
        _files = new TlsFiles(listener, options);
        _clock = clock;
        _logger = logger;
        // Before loading: what changes meanwhile is seen as a change later.
        _fingerprint = _files.Fingerprint();
        _options = _files.Load();
        _lookedAt = clock.GetTimestamp();
        Remark();
    }

    /// <summary>Shakes hands. The stream returned owns <paramref name="stream"/>.</summary>
    /// <exception cref="TlsFailedException">The client speaks no TLS that is allowed, or has no valid certificate; the message says what is to be done.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<(ServerTlsStream Stream, TlsConnectionInfo Info)> AuthenticateAsync(Stream stream, CancellationToken cancellation)
    {
        var ssl = new ServerTlsStream(stream);
        try
        {
            await ssl.AuthenticateAsServerAsync(Current(), cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is AuthenticationException or IOException or InvalidOperationException)
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw new TlsFailedException(TlsFailure.Of(error, ssl.ClientCertificateProblem, _settings), error);
        }
        catch
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        X509Certificate2? certificate = ssl.RemoteCertificate switch
        {
            null => null,
            X509Certificate2 full => full,
            var other => X509CertificateLoader.LoadCertificate(other.GetRawCertData()),
        };
        return (ssl, new TlsConnectionInfo(ssl.SslProtocol, ssl.NegotiatedCipherSuite, certificate));
    }

    /// <summary>Why a client has gone as soon as hands were shaken, as far as can be told.</summary>
    public string WhyGone(IOException? error) => TlsFailure.OfClientGone(error, _settings);

    /// <summary>What is in force now. Any thread; while one looks at the files, the others go on with what there is.</summary>
    private SslServerAuthenticationOptions Current()
    {
        if (_clock.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= LookPeriod && _looking.TryEnter())
        {
            try
            {
                Look();
            }
            finally
            {
                _looking.Exit();
            }
        }

        return _options;
    }

    private void Look()
    {
        Volatile.Write(ref _lookedAt, _clock.GetTimestamp());
        byte[] fingerprint = _files.Fingerprint();
        if (fingerprint.AsSpan().SequenceEqual(_fingerprint))
        {
            return;
        }

        _fingerprint = fingerprint;
        try
        {
            _options = _files.Load();
            _logger.LogInformation("Listener {Listener}: the certificate files have changed and are in force for new connections", _listener);
            Remark();
        }
        catch (ListenException error)
        {
            _logger.LogWarning("{Error} The files have changed, but cannot be used: what they held before stays in force", error.Message.TrimEnd('.') + ".");
        }
    }

    private void Remark()
    {
        if (_options.ServerCertificateContext is { } context && _settings.Remark?.Invoke(context.TargetCertificate) is { } remark)
        {
            _logger.LogWarning("Listener {Listener}: {Remark}", _listener, remark);
        }
    }
}
