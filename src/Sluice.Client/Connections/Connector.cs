using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Sluice.Base.Buffers;
using Sluice.Client.Login;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Connections;

/// <summary>Makes connections that are ready for use: TCP, TLS, the versions of both sides, the login.</summary>
internal sealed class Connector(KafkaClientOptions options, BufferPool pool)
{
    /// <exception cref="KafkaClientException">The broker can't be reached, or does not let the client in.</exception>
    public async Task<KafkaConnection> ConnectAsync(BrokerAddress address, CancellationToken cancel)
    {
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancel);
        KafkaConnection? connection = null;
        try
        {
            Stream stream = await OpenAsync(address, either.Token).ConfigureAwait(false);
            connection = new KafkaConnection(address, stream, options, pool) { Suspicion = options.Tls is null ? "it may be a listener for TLS" : null };
            await IntroduceAsync(connection, either.Token).ConfigureAwait(false);
            if (options.Sasl is { } sasl)
            {
                await LogInAsync(connection, sasl, either.Token).ConfigureAwait(false);
            }

            KafkaConnection ready = connection;
            ready.Suspicion = options.Sasl is null ? "it may want a login" : null;
            connection = null;
            return ready;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new KafkaClientException(KafkaErrorCode.NetworkException, $"The broker {address} could not be reached within {options.ConnectTimeout.TotalSeconds:0.###} s.");
        }
        catch (AuthenticationException error)
        {
            // Trying again would not help: the certificate is not trusted or not the broker's, or it is no listener for TLS.
            throw new KafkaClientException(KafkaErrorCode.SaslAuthenticationFailed, $"The broker {address} was reached, but not by TLS: {error.Message}", error);
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            throw new KafkaClientException(KafkaErrorCode.NetworkException, $"The broker {address} could not be reached: {error.Message}", error);
        }
        finally
        {
            if (connection is not null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<Stream> OpenAsync(BrokerAddress address, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, cancel).ConfigureAwait(false);
            stream = new NetworkStream(socket, ownsSocket: true);
            if (options.Tls is { } tls)
            {
                var secure = new SslStream(stream);
                stream = secure;
                await SecureAsync(secure, ForHost(tls, address.Host), cancel).ConfigureAwait(false);
            }

            return stream;
        }
        catch
        {
            socket.Dispose();
            if (stream is not null)
            {
                await stream.DisposeAsync().ConfigureAwait(false);
            }

            throw;
        }
    }

    private static async Task SecureAsync(SslStream stream, SslClientAuthenticationOptions tls, CancellationToken cancel)
    {
        try
        {
            await stream.AuthenticateAsClientAsync(tls, cancel).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            // A broker that stops ends connections as well, so that it is tried again.
            throw new IOException($"{error.Message.Trim().TrimEnd('.')}; it may be a listener without TLS", new AuthenticationException(error.Message, error));
        }
    }

    /// <summary>A copy: the options are one object for all connections, the host is not the same for all.</summary>
    private static SslClientAuthenticationOptions ForHost(SslClientAuthenticationOptions tls, string host) => new()
    {
        TargetHost = string.IsNullOrEmpty(tls.TargetHost) ? host : tls.TargetHost,
        ClientCertificates = tls.ClientCertificates,
        ClientCertificateContext = tls.ClientCertificateContext,
        LocalCertificateSelectionCallback = tls.LocalCertificateSelectionCallback,
        RemoteCertificateValidationCallback = tls.RemoteCertificateValidationCallback,
        CertificateChainPolicy = tls.CertificateChainPolicy,
        CertificateRevocationCheckMode = tls.CertificateRevocationCheckMode,
        EnabledSslProtocols = tls.EnabledSslProtocols,
        CipherSuitesPolicy = tls.CipherSuitesPolicy,
    };

    private static async Task IntroduceAsync(KafkaConnection connection, CancellationToken cancel)
    {
        var request = new ApiVersionsRequest { ClientSoftwareName = "sluice-client", ClientSoftwareVersion = typeof(Connector).Assembly.GetName().Version?.ToString(3) ?? "0" };
        ApiVersionsResponse response = await connection.AskAsync<ApiVersionsResponse>(ApiUse.ApiVersions, request, cancel: cancel).ConfigureAwait(false);
        if (response.ErrorCode == KafkaErrorCode.UnsupportedVersion)
        {
            using Answer<ApiVersionsResponse> again = await connection.SendAsync<ApiVersionsResponse>(ApiUse.ApiVersions, 0, new ApiVersionsRequest(), isPooled: false).WaitAsync(cancel).ConfigureAwait(false);
            response = again.Message;
        }

        if (response.ErrorCode != KafkaErrorCode.None)
        {
            throw KafkaClientException.Of(response.ErrorCode, $"Asking {connection.Address} for its versions");
        }

        connection.Versions = new ApiVersionTable(response);
    }

    private static async Task LogInAsync(KafkaConnection connection, SaslCredentials sasl, CancellationToken cancel)
    {
        SaslHandshakeResponse handshake = await connection.AskAsync<SaslHandshakeResponse>(ApiUse.SaslHandshake, new SaslHandshakeRequest { Mechanism = sasl.Mechanism }, cancel: cancel).ConfigureAwait(false);
        if (handshake.ErrorCode != KafkaErrorCode.None)
        {
            throw KafkaClientException.Of(handshake.ErrorCode, $"Logging in to {connection.Address} by {sasl.Mechanism}", $"it has {string.Join(", ", handshake.Mechanisms)}");
        }

        string doing = $"Logging in to {connection.Address} as {sasl}";
        try
        {
            ISaslConversation conversation = sasl.Begin();
            byte[]? message = await conversation.BeginAsync(cancel).ConfigureAwait(false);
            while (message is not null)
            {
                SaslAuthenticateResponse response = await connection.AskAsync<SaslAuthenticateResponse>(ApiUse.SaslAuthenticate, new SaslAuthenticateRequest { AuthBytes = message }, cancel: cancel).ConfigureAwait(false);
                if (response.ErrorCode != KafkaErrorCode.None)
                {
                    throw KafkaClientException.Of(response.ErrorCode, doing, response.ErrorMessage);
                }

                message = conversation.Answer(response.AuthBytes.Span);
            }
        }
        catch (InvalidDataException error)
        {
            throw new KafkaClientException(KafkaErrorCode.SaslAuthenticationFailed, $"{doing}: {error.Message}.", error);
        }
    }
}
