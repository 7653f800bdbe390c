using Microsoft.Extensions.Logging;
using Sluice.Security;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>Who a client is: the user it has logged in as by SASL, or the configured one for those that do not.</summary>
internal sealed class SaslLogin(KafkaConnection connection)
{
    private const string Plain = "PLAIN";

    /// <summary>Mechanisms offered.</summary>
    public static IReadOnlyList<string> Mechanisms { get; } = [Plain];

    /// <summary>The mechanism agreed by SaslHandshake; null before.</summary>
    public string? Mechanism { get; private set; }

    public string UserName => connection.Access?.User ?? "";

    /// <summary>Whether the client may ask for more than a login. One that has not begun any is admitted as the user configured for such, if there is one.</summary>
    public bool IsAdmitted()
    {
        if (connection.Access is null && Mechanism is null)
        {
            EnterAnonymously();
        }

        return connection.Access is not null;
    }

    /// <summary>A client that need not log in has nothing more to introduce itself by: it may keep the connection although it asks for nothing yet.</summary>
    public void EndHandshakeIfFree()
    {
        string user = connection.Server.Options.AnonymousUser;
        if (connection.Access is null && Mechanism is null && user.Length > 0 && connection.Server.Authenticator.WouldAdmitTrusted(user, Origin()))
        {
            EnterAnonymously();
        }
    }

    /// <summary>False if the mechanism is not offered.</summary>
    public bool TryChoose(string mechanism)
    {
        if (!Mechanisms.Contains(mechanism, StringComparer.Ordinal))
        {
            return false;
        }

        connection.Access = null;
        Mechanism = mechanism;
        return true;
    }

    /// <summary>Takes the client's answer. Null: it is logged in; else why not.</summary>
    public async ValueTask<string?> AuthenticateAsync(ReadOnlyMemory<byte> bytes)
    {
        connection.Access = null;
        LoginResult login = await connection.Server.Authenticator.LoginPlainAsync(bytes, Origin(), connection.Client.Closed).ConfigureAwait(false);
        if (login.User is not { } user)
        {
            return "Authentication failed: Invalid username or password";
        }

        return Enter(user) ? null : $"Authentication failed: user '{user.Name}' has no permissions in virtual host '{connection.Server.Options.VirtualHost}'";
    }

    private void EnterAnonymously()
    {
        string user = connection.Server.Options.AnonymousUser;
        if (user.Length > 0 && connection.Server.Authenticator.LoginTrusted(user, Origin()).User is { } known)
        {
            Enter(known);
        }
    }

    private LoginOrigin Origin() => new(connection.Client.RemoteEndPoint, connection.Client.Tls?.ClientCertificate);

    private bool Enter(User user)
    {
        connection.Access = connection.Server.AccessControl.Enter(user.Name, connection.Server.Options.VirtualHost);
        if (connection.Access is null)
        {
            connection.Server.Logger.LogWarning("Connection {Connection}: user '{User}' may not enter virtual host '{VirtualHost}'", connection.Client.Name, user.Name, connection.Server.Options.VirtualHost);
            return false;
        }

        connection.Client.HandshakeCompleted();
        return true;
    }
}
