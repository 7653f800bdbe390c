using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Broker;
using Sluice.Broker.Definitions;
using Sluice.Protocols.Amqp091.Connections;
using Sluice.Protocols.Amqp091.Wire;
using Sluice.Protocols.Amqp091.Wire.Methods;
using Sluice.Security;

namespace Sluice.Protocols.Amqp091.Handlers;

/// <summary>Class connection: handshake (start, secure, tune, open), close, update-secret.</summary>
internal sealed class ConnectionHandler(Amqp091Connection connection)
{
    private string _mechanism = "";

    /// <summary>The protocol header came: connection.start.</summary>
    public void Start()
    {
        connection.State = ConnectionState.Starting;
        connection.Send(0, new ConnectionStart
        {
            VersionMajor = 0,
            VersionMinor = 9,
            ServerProperties = ServerProperties.Encode(connection.Server.Options),
            Mechanisms = Encoding.ASCII.GetBytes(Mechanisms()),
            Locales = "en_US"u8,
        });
    }

    public ValueTask Handle(uint method, ReadOnlySpan<byte> arguments)
    {
        if (connection.State is ConnectionState.Closing)
        {
            HandleWhileClosing(method);
            return default;
        }

        bool isRunning = connection.State is ConnectionState.Running or ConnectionState.Blocked;
        switch (method)
        {
            case MethodIds.ConnectionStartOk when connection.State == ConnectionState.Starting:
                return StartOk(ConnectionStartOk.Read(arguments));
            case MethodIds.ConnectionTuneOk when connection.State == ConnectionState.Tuning:
                TuneOk(ConnectionTuneOk.Read(arguments));
                return default;
            case MethodIds.ConnectionOpen when connection.State == ConnectionState.Opening:
                Open(ConnectionOpen.Read(arguments));
                return default;
            case MethodIds.ConnectionClose:
                return CloseAsync(ConnectionClose.Read(arguments));
            case MethodIds.ConnectionUpdateSecret when isRunning:
                return UpdateSecret(ConnectionUpdateSecret.Read(arguments));
            default:
                throw IsKnown(method)
                    ? new AmqpException(ReplyCode.ChannelError, $"unexpected method {method >> 16}.{method & 0xFFFF} on channel 0 in connection state {connection.State.ToString().ToLowerInvariant()}")
                    : new AmqpException(ReplyCode.NotImplemented, $"unknown method {method >> 16}.{method & 0xFFFF}");
        }
    }

    private static bool IsKnown(uint method) => method >> 16 is 10 or 20 or 30 or 40 or 50 or 60 or 85 or 90;

    private string Mechanisms() => Authenticator.Mechanisms(connection.Client.Tls?.ClientCertificate is not null);

    private void HandleWhileClosing(uint method)
    {
        if (method == MethodIds.ConnectionCloseOk)
        {
            connection.Finish(connection.EndReason);
        }
        else if (method == MethodIds.ConnectionClose)
        {
            connection.Send(0, new ConnectionCloseOk());
        }
    }

    private ValueTask StartOk(in ConnectionStartOk method)
    {
        Arguments properties = ArgumentTable.Read(method.ClientProperties);
        connection.ClientProperties = properties;
        connection.Capabilities = ClientCapabilities.Read(properties);
        _mechanism = Encoding.UTF8.GetString(method.Mechanism);
        if (!Mechanisms().Split(' ').Contains(_mechanism))
        {
            throw new AmqpException(ReplyCode.CommandInvalid, $"unknown authentication mechanism '{_mechanism}'");
        }

        connection.State = ConnectionState.Securing;
        return LoginAsync(method.Response.ToArray());
    }

    private async ValueTask LoginAsync(byte[] response)
    {
        var origin = new LoginOrigin(connection.Remote, connection.Client.Tls?.ClientCertificate, connection.ClientName);
        LoginResult login = _mechanism switch
        {
            "PLAIN" => await connection.Server.Authenticator.LoginPlainAsync(response, origin, connection.Client.Closed).ConfigureAwait(false),
            "AMQPLAIN" => await LoginAmqPlainAsync(response, origin).ConfigureAwait(false),
            _ => connection.Server.Authenticator.LoginExternal(origin),
        };
        if (!login.Succeeded)
        {
            Refuse(login);
            return;
        }

        connection.User = login.User;
        connection.Mechanism = _mechanism;
        connection.State = ConnectionState.Tuning;
        Amqp091Options options = connection.Server.Options;
        connection.Send(0, new ConnectionTune { ChannelMax = options.ChannelMax, FrameMax = (uint)options.FrameMax, Heartbeat = options.HeartbeatSeconds });
    }

    /// <summary>AMQPLAIN: a table with LOGIN and PASSWORD, without the table's length.</summary>
    private ValueTask<LoginResult> LoginAmqPlainAsync(byte[] response, LoginOrigin origin)
    {
        string? name = null;
        byte[]? password = null;
        FieldTable.Check(response);
        var reader = new FieldTableReader(response);
        while (reader.TryRead(out ReadOnlySpan<byte> field, out FieldValue value))
        {
            if (value.Type == FieldType.LongString && field.SequenceEqual("LOGIN"u8))
            {
                name = Encoding.UTF8.GetString(value.Bytes);
            }
            else if (value.Type == FieldType.LongString && field.SequenceEqual("PASSWORD"u8))
            {
                password = value.Bytes.ToArray();
            }
        }

        return name is null || password is null
            ? throw new AmqpException(ReplyCode.SyntaxError, "AMQPLAIN auth info must be a table with LOGIN and PASSWORD")
            : connection.Server.Authenticator.LoginPasswordAsync(name, password, origin, connection.Client.Closed);
    }

    /// <summary>Details are for the log only, which has them of the authenticator; a client that does not expect connection.close here just sees the end.</summary>
    private void Refuse(in LoginResult login)
    {
        if (connection.Capabilities.AuthenticationFailureClose)
        {
            connection.CloseWith(new AmqpException(ReplyCode.AccessRefused, $"Login was refused using authentication mechanism {_mechanism}. For details see the broker logfile."), 0);
            return;
        }

        connection.Finish($"{_mechanism} login of user '{login.UserName}' refused: {login.Refusal}");
    }

    private void TuneOk(in ConnectionTuneOk method)
    {
        Amqp091Options options = connection.Server.Options;
        CheckNegotiated("frame_max", method.FrameMax, Amqp091Limits.FrameMin, (uint)options.FrameMax);
        CheckNegotiated("channel_max", method.ChannelMax, 1, options.ChannelMax);
        connection.FrameMax = (int)method.FrameMax;
        connection.ChannelMax = method.ChannelMax;
        connection.StartHeartbeats(method.Heartbeat);
        connection.State = ConnectionState.Opening;
    }

    private static void CheckNegotiated(string field, uint value, uint min, uint max)
    {
        if (value != 0 && value < min)
        {
            throw new AmqpException(ReplyCode.NotAllowed, $"negotiated {field} = {value} is lower than the minimum allowed value ({min})");
        }

        if (value == 0 || value > max)
        {
            throw new AmqpException(ReplyCode.NotAllowed, $"negotiated {field} = {value}{(value == 0 ? " (no limit)" : "")} is higher than the maximum allowed value ({max})");
        }
    }

    private void Open(in ConnectionOpen method)
    {
        string name = Encoding.UTF8.GetString(method.VirtualHost);
        Amqp091Server server = connection.Server;
        VirtualHost host = server.Broker.FindVirtualHost(name) ?? throw new AmqpException(ReplyCode.NotAllowed, $"vhost {name} not found");
        VirtualHostAccess access = server.AccessControl.Enter(connection.UserName, name)
            ?? throw new AmqpException(ReplyCode.NotAllowed, $"access to vhost '{name}' refused for user '{connection.UserName}'");
        if (server.Limits.TryAddConnection(connection.UserName, name) is { } reason)
        {
            throw new AmqpException(ReplyCode.NotAllowed, reason);
        }

        connection.Enter(host, access);
        connection.Send(0, new ConnectionOpenOk());
    }

    private async ValueTask CloseAsync(ushort code, string text)
    {
        connection.Channels.ReleaseAll();
        await connection.ReleaseOwnedAsync().ConfigureAwait(false);
        connection.Send(0, new ConnectionCloseOk());
        connection.Finish(code == (ushort)ReplyCode.Success ? "closed by the client" : $"closed by the client: {code} {text}");
    }

    private ValueTask CloseAsync(in ConnectionClose method) => CloseAsync(method.ReplyCode, Encoding.UTF8.GetString(method.ReplyText));

    /// <summary>
    /// A user with a password or a certificate has no secret that runs out, so there is nothing to renew: what was granted stays granted, whatever
    /// the new secret is (as RabbitMQ's own accounts do).
    /// </summary>
    private ValueTask UpdateSecret(in ConnectionUpdateSecret method)
    {
        connection.Server.Logger.LogInformation(
            "Connection {Connection}: user '{User}' updated its secret, reason: {Reason}", connection.Name, connection.UserName, Encoding.UTF8.GetString(method.Reason));
        connection.Send(0, new ConnectionUpdateSecretOk());
        return default;
    }
}
